#include "client/resp_value.h"

#include <charconv>
#include <cstdlib>

namespace gyre {
namespace {

tl::unexpected<Error> Malformed(const char* what) {
  return Fail(ErrorCode::kCorruption, std::string("the server's reply is malformed: ") + what);
}

bool ParseInteger(std::string_view text, std::int64_t& number) {
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

RespValue Text(RespValue::Kind kind, std::string text) {
  RespValue value;
  value.kind = kind;
  value.text = std::move(text);
  return value;
}

}  // namespace

const RespValue* RespValue::Find(std::string_view key) const {
  if (kind != Kind::kMap && kind != Kind::kArray) return nullptr;
  for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
    if (items[i].kind == Kind::kString && items[i].text == key) return &items[i + 1];
  }
  return nullptr;
}

Result<RespValue> ReplyReader::Read() {
  taken_ = 0;
  Result<RespValue> value = ReadValue(0);
  if (at_ == buffer_.size()) {
    buffer_.clear();
    at_ = 0;
  }
  return value;
}

Result<RespValue> ReplyReader::ReadValue(int depth) {
  if (depth > limits_.depth_max) return Malformed("nested too deeply");
  Result<std::string> line = ReadLine();
  if (!line) return Fail(std::move(line.error()));
  if (line->empty()) return Malformed("an empty line");
  const char type = line->front();
  const std::string_view rest = std::string_view(*line).substr(1);
  std::int64_t number = 0;
  RespValue value;
  switch (type) {
    case '+':
    case '(':
      return Text(RespValue::Kind::kString, std::string(rest));
    case '-':
      return Text(RespValue::Kind::kError, std::string(rest));
    case ':':
      if (!ParseInteger(rest, value.integer)) return Malformed("a bad integer");
      value.kind = RespValue::Kind::kInteger;
      return value;
    case '_':
      return value;
    case '#':
      if (rest != "t" && rest != "f") return Malformed("a bad boolean");
      value.kind = RespValue::Kind::kBoolean;
      value.integer = rest == "t" ? 1 : 0;
      return value;
    case ',': {
      char* end = nullptr;
      value.kind = RespValue::Kind::kDouble;
      value.real = std::strtod(line->c_str() + 1, &end);
      if (rest.empty() || end != line->c_str() + line->size()) return Malformed("a bad number");
      return value;
    }
    case '$':
    case '=':
    case '!': {
      if (!ParseInteger(rest, number) || number < -1) return Malformed("a bad length");
      if (number == -1) return value;
      Result<std::string> text = ReadBulk(static_cast<std::size_t>(number));
      if (!text) return Fail(std::move(text.error()));
      if (type == '=' && text->size() >= 4) text->erase(0, 4);  // "txt:"
      return Text(type == '!' ? RespValue::Kind::kError : RespValue::Kind::kString,
                  std::move(*text));
    }
    case '*':
    case '~':
    case '>':
      return ReadItems(rest, 1, depth);
    case '%':
      return ReadItems(rest, 2, depth);
    case '|': {  // attributes: said about the value that follows
      Result<RespValue> attributes = ReadItems(rest, 2, depth);
      if (!attributes) return attributes;
      return ReadValue(depth + 1);
    }
    default:
      return Malformed("an unknown type");
  }
}

Result<RespValue> ReplyReader::ReadItems(std::string_view count, std::size_t per_entry, int depth) {
  std::int64_t number = 0;
  if (!ParseInteger(count, number) || number < -1) return Malformed("a bad count");
  RespValue value;
  if (number == -1) return value;
  if (static_cast<std::uint64_t>(number) > limits_.bytes_max) return Malformed("a huge count");
  value.kind = per_entry == 2 ? RespValue::Kind::kMap : RespValue::Kind::kArray;
  for (std::size_t left = static_cast<std::size_t>(number) * per_entry; left > 0; --left) {
    Result<RespValue> item = ReadValue(depth + 1);
    if (!item) return item;
    value.items.push_back(std::move(*item));
  }
  return value;
}

Result<std::string> ReplyReader::ReadLine() {
  std::size_t searched = at_;
  for (;;) {
    const std::size_t end = buffer_.find("\r\n", searched);
    if (end != std::string::npos) {
      std::string line = buffer_.substr(at_, end - at_);
      taken_ += line.size() + 2;
      at_ = end + 2;
      if (line.size() > limits_.line_bytes_max) return Malformed("an endless line");
      if (taken_ > limits_.bytes_max) return Malformed("larger than any reply may be");
      return line;
    }
    if (buffer_.size() - at_ > limits_.line_bytes_max) return Malformed("an endless line");
    searched = buffer_.size() > at_ ? buffer_.size() - 1 : at_;
    if (Status status = source_.ReadMore(buffer_); !status) return Fail(std::move(status.error()));
  }
}

Result<std::string> ReplyReader::ReadBulk(std::size_t size) {
  if (size > limits_.bytes_max || taken_ + size > limits_.bytes_max) {
    return Malformed("larger than any reply may be");
  }
  if (Status status = Need(size + 2); !status) return Fail(std::move(status.error()));
  if (buffer_.compare(at_ + size, 2, "\r\n") != 0) return Malformed("a bulk without its end");
  std::string text = buffer_.substr(at_, size);
  at_ += size + 2;
  taken_ += size + 2;
  if (at_ > 1024 * 1024) {
    buffer_.erase(0, at_);
    at_ = 0;
  }
  return text;
}

Status ReplyReader::Need(std::size_t bytes) {
  while (buffer_.size() - at_ < bytes) {
    if (Status status = source_.ReadMore(buffer_); !status) return status;
  }
  return {};
}

}  // namespace gyre
