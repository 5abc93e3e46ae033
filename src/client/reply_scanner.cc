#include "client/reply_scanner.h"

#include <algorithm>
#include <charconv>
#include <string>

namespace gyre {
namespace {

tl::unexpected<Error> Malformed(const char* what) {
  return Fail(ErrorCode::kCorruption, std::string("the server's reply is malformed: ") + what);
}

class WholeReply final : public ByteSource {
 public:
  explicit WholeReply(std::string_view bytes) : bytes_(bytes) {}
  Status ReadMore(std::string& buffer) override {
    if (bytes_.empty()) return Malformed("it ends too early");
    buffer.append(bytes_);
    bytes_ = {};
    return {};
  }

 private:
  std::string_view bytes_;
};

}  // namespace

Result<std::optional<std::size_t>> ReplyScanner::Scan(std::string_view stream) {
  while (values_left_ > 0) {
    if (at_ > stream.size()) return std::nullopt;  // in the middle of a bulk
    const std::size_t end = stream.find("\r\n", std::max(at_, searched_));
    if (end == std::string_view::npos) {
      if (stream.size() - at_ > limits_.line_bytes_max) return Malformed("an endless line");
      searched_ = stream.empty() ? 0 : stream.size() - 1;
      return std::nullopt;
    }
    const std::string_view line = stream.substr(at_, end - at_);
    at_ = end + 2;
    --values_left_;
    if (Status taken = TakeLine(line); !taken) return Fail(std::move(taken.error()));
  }
  if (at_ > stream.size()) return std::nullopt;
  const std::size_t size = at_;
  at_ = searched_ = 0;
  values_left_ = 1;
  return size;
}

Status ReplyScanner::TakeLine(std::string_view line) {
  if (line.empty()) return Malformed("an empty line");
  const bool is_bulk = line[0] == '$' || line[0] == '=' || line[0] == '!';
  const bool is_list = line[0] == '*' || line[0] == '~' || line[0] == '>';
  const bool is_map = line[0] == '%' || line[0] == '|';
  if (!is_bulk && !is_list && !is_map) return {};
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(line.data() + 1, line.data() + line.size(), number);
  if (error != std::errc() || end != line.data() + line.size() || number < -1 ||
      number > static_cast<std::int64_t>(limits_.bytes_max)) {
    return Malformed("a bad length");
  }
  const std::uint64_t count = number < 0 ? 0 : static_cast<std::uint64_t>(number);
  if (is_bulk) {
    if (number >= 0) at_ += count + 2;
  } else {
    values_left_ += count * (is_map ? 2 : 1);
    if (line[0] == '|') ++values_left_;  // attributes are followed by what they are about
  }
  if (at_ > limits_.bytes_max || values_left_ > limits_.bytes_max) {
    return Malformed("larger than any reply may be");
  }
  return {};
}

Result<RespValue> ParseReply(std::string_view whole) {
  WholeReply source(whole);
  return ReplyReader(source).Read();
}

}  // namespace gyre
