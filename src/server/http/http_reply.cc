#include "server/http/http_reply.h"

#include <fmt/format.h>

#include <ctime>
#include <nlohmann/json.hpp>

#include "net/http_parser.h"
#include "server/error_map.h"

namespace gyre {
namespace {

constexpr const char* kRetryAfterSeconds = "1";

// "Sun, 06 Nov 1994 08:49:37 GMT", kept for as long as the second lasts.
std::string_view DateText(WallTime now) {
  thread_local std::time_t second = -1;
  thread_local char text[40];
  thread_local std::size_t size = 0;
  if (const auto wanted = static_cast<std::time_t>(now.ms / 1000); wanted != second) {
    std::tm utc{};
    gmtime_r(&wanted, &utc);
    size = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc);
    second = wanted;
  }
  return {text, size};
}

HttpReply WithBody(int status, std::string_view type, std::string_view body) {
  HttpReply reply;
  reply.status = status;
  reply.content_type = type;
  reply.body.emplace_back(body);
  return reply;
}

}  // namespace

std::size_t HttpReply::body_bytes() const {
  std::size_t bytes = 0;
  for (const Bytes& piece : body) bytes += piece.size();
  return bytes;
}

HttpReply TextReply(int status, std::string_view text) {
  return WithBody(status, "text/plain; charset=utf-8", text);
}

HttpReply JsonReply(int status, std::string_view json) {
  return WithBody(status, "application/json", json);
}

HttpReply ErrorReply(int status, std::string_view code, std::string_view message) {
  const nlohmann::ordered_json json = {
      {"error", {{"code", std::string(code)}, {"message", std::string(message)}}}};
  return JsonReply(
      status, json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

HttpReply ErrorReply(const Error& error) {
  const ErrorMapping& mapping = MappingOf(error.code);
  HttpReply reply = ErrorReply(mapping.http_status, ErrorCodeName(error.code),
                               error.message.empty() ? mapping.meaning : error.message);
  if (mapping.http_status == 503) reply.headers.emplace_back("Retry-After", kRetryAfterSeconds);
  return reply;
}

void AppendReply(OutputBuffer& out, const HttpReply& reply, const ReplyFraming& framing,
                 WallTime now) {
  std::string head;
  head.reserve(256);
  fmt::format_to(std::back_inserter(head), "HTTP/1.1 {} {}\r\nDate: {}\r\n", reply.status,
                 HttpReason(reply.status), DateText(now));
  if (!reply.content_type.empty()) {
    fmt::format_to(std::back_inserter(head), "Content-Type: {}\r\nContent-Length: {}\r\n",
                   reply.content_type, reply.body_bytes());
  }
  for (const auto& [name, value] : reply.headers) {
    fmt::format_to(std::back_inserter(head), "{}: {}\r\n", name, value);
  }
  if (!framing.keep_alive) {
    head += "Connection: close\r\n";
  } else if (framing.version == 10) {
    head += "Connection: keep-alive\r\n";
  }
  head += "\r\n";
  out.Append(std::string_view(head));
  if (framing.head_only) return;
  for (const Bytes& piece : reply.body) out.Append(piece);
}

}  // namespace gyre
