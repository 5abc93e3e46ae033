#include "storage/row_codec.h"

#include <cstring>
#include <string>

#include "base/codec.h"
#include "base/hash.h"

namespace gyre {
namespace {

constexpr std::uint8_t kRowFormat = 1;

}  // namespace

RowEnvelope SealRow(std::string_view key_prefix, std::string_view key, const Row& row) {
  RowEnvelope envelope;
  Writer head(envelope.head.data());
  head.U8(kRowFormat);
  head.Varint(row.own.actor.value);
  head.Varint(row.own.epoch);
  head.Varint(row.own.n);
  envelope.head_bytes = static_cast<std::size_t>(head.position() - envelope.head.data());
  std::uint32_t crc = Crc32c(key_prefix);
  crc = Crc32c(key, crc);
  crc = Crc32c(envelope.head_view(), crc);
  crc = Crc32c(row.record.view(), crc);
  Writer(envelope.tail.data()).U32(crc);
  return envelope;
}

Result<Row> OpenRow(std::string_view stored_key, std::string_view bytes) {
  if (bytes.size() < kRowTailBytes + 1) {
    return Fail(ErrorCode::kCorruption, "a stored row is too short");
  }
  const std::string_view body = bytes.substr(0, bytes.size() - kRowTailBytes);
  Reader tail(bytes.substr(body.size()));
  if (Crc32c(body, Crc32c(stored_key)) != tail.U32()) {
    return Fail(ErrorCode::kCorruption, "a stored row does not match its checksum");
  }
  Reader in(body);
  if (const std::uint8_t format = in.U8(); format != kRowFormat) {
    return Fail(ErrorCode::kUnsupported, "a stored row has format " + std::to_string(format) +
                                             ": written by a newer version");
  }
  Row row;
  row.own.actor = ActorId(in.Varint());
  row.own.epoch = in.Varint();
  row.own.n = in.Varint();
  if (!in.ok()) return Fail(ErrorCode::kCorruption, "a stored row is cut in its head");
  row.record = Bytes(in.Raw(in.remaining()));
  return row;
}

std::string SealMeta(std::string_view name, std::string_view value) {
  std::string sealed(4, '\0');
  Writer(sealed.data()).U32(Crc32c(value, Crc32c(name)));
  return sealed.append(value);
}

Result<std::string> OpenMeta(std::string_view name, std::string_view bytes) {
  Reader in(bytes);
  const std::uint32_t crc = in.U32();
  const std::string_view value = in.Raw(in.remaining());
  if (!in.ok() || crc != Crc32c(value, Crc32c(name))) {
    return Fail(ErrorCode::kCorruption,
                "the stored value '" + std::string(name) + "' does not match its checksum");
  }
  return std::string(value);
}

}  // namespace gyre
