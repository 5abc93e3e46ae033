#include "net/http_parser.h"

// Beast asserts that the last chunk's line has 5 bytes when it is presented again, while "0\r\n\r"
// has 4: a hostile peer's cut is not a bug of ours. Without assertions Beast handles it (see the
// test that cuts everywhere). No other file includes Beast, so no other meaning of its templates
// exists.
#define BOOST_DISABLE_ASSERTS
#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <optional>

#include "base/check.h"

namespace gyre {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using ErrorOfBeast = boost::system::error_code;

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return beast::iequals(beast::string_view(a.data(), a.size()),
                        beast::string_view(b.data(), b.size()));
}

std::string LowerCase(beast::string_view text) {
  std::string lower(text.data(), text.size());
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

HttpMethod MethodOf(http::verb verb) {
  switch (verb) {
    case http::verb::get:
      return HttpMethod::kGet;
    case http::verb::head:
      return HttpMethod::kHead;
    case http::verb::put:
      return HttpMethod::kPut;
    case http::verb::delete_:
      return HttpMethod::kDelete;
    case http::verb::post:
      return HttpMethod::kPost;
    default:
      return HttpMethod::kOther;
  }
}

bool IsTokenChar(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

// One request: Beast calls back, this gathers. Fields of a trailer are not taken.
class Gatherer final : public http::basic_parser<true> {
 public:
  explicit Gatherer(const HttpLimits& limits) : limits_(limits) {
    header_limit(static_cast<std::uint32_t>(limits.header_bytes_max + 1));
    body_limit(limits.body_bytes_max);
  }

  HttpRequest request;
  bool too_many_headers = false;

 private:
  void on_request_impl(http::verb verb, beast::string_view name, beast::string_view target,
                       int version, ErrorOfBeast&) override {
    request.method = MethodOf(verb);
    request.method_name.assign(name.data(), name.size());
    request.target.assign(target.data(), target.size());
    request.version = version;
  }
  void on_response_impl(int, beast::string_view, int, ErrorOfBeast&) override {}
  void on_field_impl(http::field, beast::string_view name, beast::string_view value,
                     ErrorOfBeast& error) override {
    if (is_header_done()) return;
    if (request.headers.size() >= limits_.headers_max) {
      too_many_headers = true;
      error = http::error::header_limit;
      return;
    }
    request.headers.push_back({LowerCase(name), std::string(value.data(), value.size())});
  }
  void on_header_impl(ErrorOfBeast&) override {}
  void on_body_init_impl(boost::optional<std::uint64_t> const&, ErrorOfBeast&) override {}
  std::size_t on_body_impl(beast::string_view body, ErrorOfBeast&) override {
    request.body.append(body.data(), body.size());
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, beast::string_view, ErrorOfBeast&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view body, ErrorOfBeast&) override {
    request.body.append(body.data(), body.size());
    return body.size();
  }
  void on_finish_impl(ErrorOfBeast&) override {}

  const HttpLimits limits_;
};

}  // namespace

const std::string* HttpRequest::Header(std::string_view name) const {
  for (const HttpHeader& header : headers) {
    if (header.name == name) return &header.value;
  }
  return nullptr;
}

std::size_t HttpRequest::HeaderCount(std::string_view name) const {
  return static_cast<std::size_t>(std::count_if(
      headers.begin(), headers.end(), [&](const HttpHeader& h) { return h.name == name; }));
}

struct HttpParser::Impl {
  explicit Impl(const HttpLimits& l) : limits(l) { gatherer.emplace(limits); }

  const HttpLimits limits;
  std::optional<Gatherer> gatherer;
  std::size_t scanned = 0;  // of the unfinished header: no end before here
  bool in_body = false;
  HttpFailure failure;

  Step Fail(int status, std::string message) {
    failure = {status, std::move(message)};
    return {Progress::kFailed, 0};
  }

  Step FailBy(const ErrorOfBeast& error) {
    if (gatherer->too_many_headers) {
      return Fail(431, "a request may have at most " + std::to_string(limits.headers_max) +
                           " header fields");
    }
    if (error == http::error::header_limit) return HeaderTooLarge();
    if (error == http::error::body_limit) {
      return Fail(413, "the body is larger than the limit of " +
                           std::to_string(limits.body_bytes_max) + " bytes (limits.value)");
    }
    if (error == http::error::bad_version)
      return Fail(505, "only HTTP/1.0 and HTTP/1.1 are spoken");
    if (error == http::error::bad_transfer_encoding || error == http::error::bad_content_length ||
        error == http::error::multiple_content_length) {
      return Fail(400, "the length of the body is ambiguous: " + error.message());
    }
    return Fail(400, "not an HTTP request: " + error.message());
  }

  Step HeaderTooLarge() {
    return Fail(431, "request line and header are larger than the limit of " +
                         std::to_string(limits.header_bytes_max) + " bytes");
  }

  // The header goes to Beast in one piece, so that nothing depends on how it was cut.
  Step FeedHeader(std::string_view bytes) {
    std::size_t skipped = 0;
    while (scanned == 0 && bytes.substr(skipped).starts_with("\r\n")) skipped += 2;
    bytes.remove_prefix(skipped);
    if (bytes.empty() || bytes == "\r") return {Progress::kNeedMore, skipped};
    if (!IsTokenChar(bytes.front())) return Fail(400, "not an HTTP request");

    const std::size_t from = scanned < 3 ? 0 : scanned - 3;
    const std::size_t end = bytes.find("\r\n\r\n", from);
    if (end == std::string_view::npos) {
      if (bytes.size() > limits.header_bytes_max) return HeaderTooLarge();
      scanned = bytes.size();
      return {Progress::kNeedMore, skipped};
    }
    const std::string_view header = bytes.substr(0, end + 4);
    if (header.size() > limits.header_bytes_max) return HeaderTooLarge();
    if (header.find("\r\n ") != std::string_view::npos ||
        header.find("\r\n\t") != std::string_view::npos) {
      return Fail(400, "folded header lines are not accepted");
    }
    ErrorOfBeast error;
    std::size_t used = gatherer->put({header.data(), header.size()}, error);
    // Beast stops after the request line when the header is empty of fields, and goes on here.
    while (!error && !gatherer->is_header_done() && used < header.size()) {
      used += gatherer->put({header.data() + used, header.size() - used}, error);
    }
    if (error) return FailBy(error);
    if (!gatherer->is_header_done()) return Fail(400, "not an HTTP request");
    scanned = 0;
    if (Step step = CheckHeader(); step.progress == Progress::kFailed) return step;
    used = skipped + header.size();
    if (gatherer->is_done()) return Done(used);
    in_body = true;
    return {Progress::kNeedMore, used};
  }

  Step CheckHeader() {
    const HttpRequest& request = gatherer->request;
    const std::size_t encodings = request.HeaderCount("transfer-encoding");
    if (encodings > 0) {
      if (request.version == 10) {
        return Fail(400, "Transfer-Encoding is not part of HTTP/1.0");
      }
      if (encodings > 1 || !EqualsIgnoringCase(*request.Header("transfer-encoding"), "chunked")) {
        return Fail(501, "the only Transfer-Encoding understood is chunked");
      }
    }
    const std::size_t lengths = request.HeaderCount("content-length");
    if (lengths + encodings > 1 ||
        (lengths == 1 && request.Header("content-length")->find(',') != std::string::npos)) {
      return Fail(400,
                  "the length of the body is ambiguous: give Content-Length or "
                  "Transfer-Encoding, once");
    }
    const std::size_t hosts = request.HeaderCount("host");
    if (hosts > 1 || (hosts == 0 && request.version == 11)) {
      return Fail(400, "HTTP/1.1 wants exactly one Host header");
    }
    if (const std::string* expect = request.Header("expect");
        expect != nullptr && !EqualsIgnoringCase(*expect, "100-continue")) {
      return Fail(417, "the only expectation understood is 100-continue");
    }
    return {Progress::kNeedMore, 0};
  }

  // In windows of a fixed size, so that a chunk's line or a trailer that does not fit is refused
  // however the input was cut.
  Step FeedBody(std::string_view bytes) {
    std::size_t used = 0;
    while (used < bytes.size()) {
      const std::string_view window = bytes.substr(used, limits.header_bytes_max);
      ErrorOfBeast error;
      const std::size_t taken = gatherer->put({window.data(), window.size()}, error);
      used += taken;
      if (error && error != http::error::need_more) return FailBy(error);
      if (gatherer->is_done()) return Done(used);
      if (taken > 0) continue;
      if (window.size() == limits.header_bytes_max) {
        return Fail(400, "a chunk's header or the trailer is too long");
      }
      break;
    }
    return {Progress::kNeedMore, used};
  }

  Step Done(std::size_t used) {
    in_body = false;
    gatherer->request.keep_alive = gatherer->keep_alive();
    return {Progress::kDone, used};
  }

  bool expects_continue() const {
    return gatherer->request.version == 11 && gatherer->request.Header("expect") != nullptr;
  }
};

HttpParser::HttpParser(const HttpLimits& limits) : impl_(std::make_unique<Impl>(limits)) {}
HttpParser::~HttpParser() = default;
HttpParser::HttpParser(HttpParser&&) noexcept = default;
HttpParser& HttpParser::operator=(HttpParser&&) noexcept = default;

HttpParser::Step HttpParser::Feed(std::string_view bytes) {
  std::size_t used = 0;
  if (!impl_->in_body) {
    const Step step = impl_->FeedHeader(bytes);
    if (step.progress != Progress::kNeedMore || !impl_->in_body) return step;
    used = step.used;
    // Only if nothing of the body has come: a client that sends it anyway does not wait.
    if (used == bytes.size() && impl_->expects_continue()) {
      return {Progress::kExpectsContinue, used};
    }
  }
  const Step step = impl_->FeedBody(bytes.substr(used));
  return {step.progress, used + step.used};
}

HttpRequest HttpParser::TakeRequest() {
  GYRE_CHECK(impl_->gatherer->is_done());
  HttpRequest request = std::move(impl_->gatherer->request);
  impl_->gatherer.emplace(impl_->limits);
  return request;
}

const HttpFailure& HttpParser::failure() const { return impl_->failure; }
}  // namespace gyre
