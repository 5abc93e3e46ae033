// What the codecs of several messages have in common. For the .cc files of this room only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/codec.h"
#include "base/result.h"
#include "core/causality/record.h"
#include "core/config.h"
#include "core/key.h"

namespace gyre {

inline constexpr std::size_t kRowKeyBytesMin = 4 + 16 + 2;

// A frame's body as it is read: bytes come out as slices of it.
class BodyReader : public Reader {
 public:
  explicit BodyReader(const Bytes& body) : Reader(body.view()), body_(body) {}
  Bytes SizedSlice(std::size_t size_max) {
    const std::string_view bytes = Sized(size_max);
    if (bytes.empty()) return Bytes();
    return body_.Slice(static_cast<std::size_t>(bytes.data() - body_.data()), bytes.size());
  }
  // One of `count` values from `first` on.
  std::uint8_t Choice(std::uint8_t first, std::uint8_t count) {
    const std::uint8_t value = U8();
    if (value < first || value - first >= count) SetFailed();
    return value;
  }
  bool Flag() { return Choice(0, 2) == 1; }
  // A type that a later version may add; the whole frame is then not for us.
  ValueType Type() {
    const std::uint8_t type = U8();
    if (type > static_cast<std::uint8_t>(ValueType::kBytes)) {
      unsupported_ = unsupported_ || ok();
      SetFailed();
    }
    return static_cast<ValueType>(type);
  }
  bool unsupported() const { return unsupported_; }

 private:
  const Bytes& body_;
  bool unsupported_ = false;
};

template <typename Out>
void Encode(Out& out, const RowKey& key) {
  out.U32(key.keyspace.value);
  out.U64(key.token.high);
  out.U64(key.token.low);
  out.Sized(key.key.view());
}
// Of a row, or of a place between rows: without any bytes it is before every key of its token.
inline void DecodePlace(BodyReader& in, RowKey& key) {
  key.keyspace = KeyspaceId(in.U32());
  key.token.high = in.U64();
  key.token.low = in.U64();
  key.key = in.SizedSlice(kKeyBytesMax);
}
inline void Decode(BodyReader& in, RowKey& key) {
  DecodePlace(in, key);
  if (key.key.empty()) in.SetFailed();
}

inline ErrorCode DecodeErrorCode(BodyReader& in, std::uint8_t first) {
  return static_cast<ErrorCode>(
      in.Choice(first, static_cast<std::uint8_t>(ErrorCode::kStaleCopy) + 1 - first));
}

// A code of 0 stands for "no error".
template <typename Out>
void Encode(Out& out, const std::optional<ErrorCode>& error) {
  out.U8(error.has_value() ? static_cast<std::uint8_t>(*error) : 0);
}
inline void Decode(BodyReader& in, std::optional<ErrorCode>& error) {
  const ErrorCode code = DecodeErrorCode(in, 0);
  if (code != ErrorCode{}) error = code;
}

template <typename Out>
void Encode(Out& out, const std::optional<RowKey>& key) {
  out.U8(key.has_value() ? 1 : 0);
  if (key.has_value()) Encode(out, *key);
}
inline void Decode(BodyReader& in, std::optional<RowKey>& key) {
  if (in.Flag()) DecodePlace(in, key.emplace());
}

}  // namespace gyre
