// An HTTP reply before it is bytes, and its rendering. Large values stay references.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "net/output_buffer.h"

namespace gyre {

struct HttpReply {
  int status = 200;
  std::string content_type;  // empty: no body, no Content-Length (204, 304)
  // Beside Content-Type, Content-Length, Date and Connection. REQUIRES: no line breaks in values.
  std::vector<std::pair<std::string_view, std::string>> headers;
  std::vector<Bytes> body;  // in order
  bool close = false;       // the connection ends after it

  std::size_t body_bytes() const;
};

HttpReply TextReply(int status, std::string_view text);
HttpReply JsonReply(int status, std::string_view json);
// {"error":{"code":...,"message":...}} with the status of server/error_map.h; Retry-After where
// trying again is the thing to do.
HttpReply ErrorReply(const Error& error);
// The same shape for what is wrong with HTTP itself: `code` is the reason in snake case.
HttpReply ErrorReply(int status, std::string_view code, std::string_view message);

struct ReplyFraming {
  bool head_only = false;  // HEAD: Content-Length without the body
  bool keep_alive = true;
  int version = 11;
};
void AppendReply(OutputBuffer& out, const HttpReply& reply, const ReplyFraming& framing,
                 WallTime now);

}  // namespace gyre
