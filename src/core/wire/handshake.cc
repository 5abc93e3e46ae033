// The bytes that open a link, declared in message_codec.h.
#include <algorithm>

#include "base/check.h"
#include "base/codec.h"
#include "base/hash.h"
#include "core/wire/message_codec.h"

// Form: 4 bytes magic, u16 length of the fields, fields, u32 CRC32C of all before it. Magic, length
// and the two versions keep their places for ever; a later version may append fields.

namespace gyre {
namespace {

constexpr std::string_view kMagic = "GYRE";
constexpr std::size_t kPrefixBytes = 6;  // magic and length
constexpr std::size_t kCrcBytes = 4;
constexpr std::size_t kClusterBytesMax = 128;
constexpr std::size_t kNodeNameBytesMax = 64;

tl::unexpected<Error> NotAHandshake(const char* what) {
  return Fail(ErrorCode::kCorruption, std::string("handshake: ") + what);
}

}  // namespace

std::string EncodeHandshake(const Handshake& handshake) {
  GYRE_CHECK(handshake.cluster.size() <= kClusterBytesMax);
  GYRE_CHECK(!handshake.node.empty() && handshake.node.size() <= kNodeNameBytesMax);
  const std::size_t fields_bytes =
      4 + SizedBytes(handshake.cluster.size()) + SizedBytes(handshake.node.size()) + 4 + 2 + 2 + 8;
  std::string bytes(kPrefixBytes + fields_bytes + kCrcBytes, '\0');
  Writer out(bytes.data());
  out.Raw(kMagic);
  out.U16(static_cast<std::uint16_t>(fields_bytes));
  out.U16(handshake.version_min);
  out.U16(handshake.version_max);
  out.Sized(handshake.cluster);
  out.Sized(handshake.node);
  out.U32(handshake.node_id.value);
  out.U16(handshake.shard_count);
  out.U16(handshake.link_index);
  out.U64(handshake.ring_digest);
  out.U32(Crc32c(std::string_view(bytes).substr(0, kPrefixBytes + fields_bytes)));
  return bytes;
}

Result<std::optional<Handshake>> DecodeHandshake(std::string_view bytes, std::size_t& used) {
  used = 0;
  // A stranger is known by its first byte, not after it has sent as many as a handshake has.
  if (bytes.substr(0, kMagic.size()) != kMagic.substr(0, bytes.size())) {
    return NotAHandshake("the other side does not speak Gyre's peer protocol");
  }
  if (bytes.size() < kPrefixBytes) return std::nullopt;
  const std::size_t fields_bytes = Reader(bytes.substr(kMagic.size())).U16();
  const std::size_t total = kPrefixBytes + fields_bytes + kCrcBytes;
  if (total > kHandshakeBytesMax) return NotAHandshake("too long");
  if (bytes.size() < total) return std::nullopt;
  const std::string_view guarded = bytes.substr(0, total - kCrcBytes);
  if (Reader(bytes.substr(guarded.size())).U32() != Crc32c(guarded)) {
    return NotAHandshake("fails its checksum");
  }

  Reader in(guarded.substr(kPrefixBytes));
  Handshake handshake;
  handshake.version_min = in.U16();
  handshake.version_max = in.U16();
  handshake.cluster = in.Sized(kClusterBytesMax);
  handshake.node = in.Sized(kNodeNameBytesMax);
  handshake.node_id = NodeId(in.U32());
  handshake.shard_count = in.U16();
  handshake.link_index = in.U16();
  handshake.ring_digest = in.U64();
  const bool fields_to_come = handshake.version_max > kProtocolVersion;
  if (!in.ok() || (in.remaining() > 0 && !fields_to_come)) return NotAHandshake("malformed");
  if (handshake.version_min > handshake.version_max || handshake.node.empty() ||
      handshake.node_id.value == 0 || handshake.node_id.value > kNodeIdMax ||
      handshake.shard_count == 0) {
    return NotAHandshake("a field is out of range");
  }
  used = total;
  return handshake;
}

}  // namespace gyre
