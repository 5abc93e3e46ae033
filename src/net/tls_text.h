// What OpenSSL has to say, for logs. Private to src/net.
#pragma once

#include <openssl/err.h>

#include <string>

namespace gyre {

// The last error of this thread, which is then forgotten: "certificate has expired".
inline std::string TlsErrorText() {
  const unsigned long code = ERR_peek_last_error();
  const char* const reason = ERR_reason_error_string(code);
  ERR_clear_error();
  return reason != nullptr ? reason : "error " + std::to_string(code);
}

}  // namespace gyre
