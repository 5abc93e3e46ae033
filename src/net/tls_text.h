// What OpenSSL has to say, for logs. Private to src/net.
#pragma once

#include <openssl/err.h>

#include <cstring>
#include <string>

namespace gyre {

// The first error of this thread since the last one was forgotten, as it is the cause of the
// others: "certificate has expired". All are forgotten then.
inline std::string TlsErrorText() {
  const unsigned long code = ERR_peek_error();
  ERR_clear_error();
  if (ERR_SYSTEM_ERROR(code)) return std::strerror(ERR_GET_REASON(code));
  const char* const reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "error " + std::to_string(code);
}

}  // namespace gyre
