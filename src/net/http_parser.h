// HTTP/1.0 and 1.1 requests from a byte stream: pure, incremental, for hostile bytes. Grammar and
// chunked bodies are Boost.Beast's; this header keeps Beast (19 s a translation unit) out of sight.
// Memory grows with the bytes that came, never with those announced.
//
// What is refused beyond the grammar, so that no proxy in front can see another request than this:
// Transfer-Encoding with Content-Length, any encoding but "chunked", repeated Content-Length,
// folded lines, and a missing or repeated Host in HTTP/1.1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gyre {

struct HttpLimits {
  std::size_t header_bytes_max = 16 * 1024;      // request line and header together; past it: 431
  std::size_t headers_max = 100;                 // fields; past it: 431
  std::size_t body_bytes_max = 8 * 1024 * 1024;  // past it: 413
};

enum class HttpMethod : std::uint8_t { kGet, kHead, kPut, kDelete, kPost, kOther };

struct HttpHeader {
  std::string name;  // in lower case
  std::string value;

  bool operator==(const HttpHeader&) const = default;
};

struct HttpRequest {
  HttpMethod method = HttpMethod::kOther;
  std::string method_name;
  std::string target;  // as sent
  int version = 11;    // 10 or 11
  bool keep_alive = false;
  std::vector<HttpHeader> headers;
  std::string body;

  bool operator==(const HttpRequest&) const = default;
  // The first field of this name (in lower case), or null.
  const std::string* Header(std::string_view name) const;
  std::size_t HeaderCount(std::string_view name) const;
};

// A request that cannot be served: the status to answer before the connection closes.
struct HttpFailure {
  int status = 400;
  std::string message;  // one sentence
};

class HttpParser {
 public:
  enum class Progress : std::uint8_t {
    kNeedMore,
    kExpectsContinue,  // once per request: the client waits for "100 Continue" before its body
    kDone,             // TakeRequest()
    kFailed,           // failure(); nothing more can be parsed
  };
  struct Step {
    Progress progress;
    std::size_t used;  // bytes consumed; the rest is to be presented again, with more
  };

  explicit HttpParser(const HttpLimits& limits);
  ~HttpParser();
  HttpParser(HttpParser&&) noexcept;
  HttpParser& operator=(HttpParser&&) noexcept;

  // Goes on with `bytes`, which begin with what the last call did not use. REQUIRES: not kDone
  // without TakeRequest, not kFailed.
  Step Feed(std::string_view bytes);
  // REQUIRES: the last Feed gave kDone. The parser is ready for the next request.
  HttpRequest TakeRequest();
  const HttpFailure& failure() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// "%2F" and the like to bytes; '+' stays. Returns false if a '%' is not followed by two hex digits.
bool PercentDecode(std::string_view text, std::string& out);
// Everything but A-Z a-z 0-9 - . _ ~ as %XX.
std::string PercentEncode(std::string_view bytes);
// The standard phrase: "Not Found".
std::string_view HttpReason(int status);

}  // namespace gyre
