// Messages as frames, and the handshake that opens a link. docs/wire-format.md has every byte;
// message_golden_test.cc holds them fixed.
//
// Frame: u32 body length (little endian), u32 CRC32C of the body, then the body:
//   u8 message type, u16 sender's shard, u16 receiving shard (0xFFFF on requests: the receiver
//   routes them by p mod T from their token or partition; replies carry the shard that asked, and
//   greetings the one that is greeted),
//   fields.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "core/features.h"
#include "core/ids.h"
#include "core/wire/messages.h"

namespace gyre {

inline constexpr std::size_t kFrameHeaderBytes = 8;
inline constexpr std::size_t kFrameBodyBytesMax = kRecordBytesMax + 1024 * 1024;

// A message with the shard that sent it and, for a reply, the shard that asked.
struct Envelope {
  ShardId from_shard;               // the sender's shard: a reply is addressed to it
  std::optional<ShardId> to_shard;  // set if NamesItsShard; requests are routed by their key
  Message message;
};

// Exact size of the frame, then the frame itself into a buffer of just that size (so that a link
// can append straight into its output). Large values are copied once, here.
std::size_t FrameBytes(const Envelope& envelope);
void EncodeFrame(const Envelope& envelope, std::size_t frame_bytes, char* out);
Bytes EncodeFrame(const Envelope& envelope);

struct FrameHeader {
  std::uint32_t body_bytes = 0;
  std::uint32_t crc = 0;
};
// Errors: kCorruption if the length exceeds kFrameBodyBytesMax or is 0. `bytes` holds 8 bytes.
Result<FrameHeader> DecodeFrameHeader(std::string_view bytes);
// Verifies the CRC and decodes; values and records are slices of `body`. Records stay encoded and
// are verified where they are merged.
// Errors: kCorruption (CRC, format, limits), kUnsupported (unknown type: skip the frame).
Result<Envelope> DecodeFrameBody(const FrameHeader& header, const Bytes& body);

// In place of a link's number. A guest's link: of a node that is no member in the eyes of one of
// the two (net/peer_links.h). And in an answer: the link is refused, and will be closed.
inline constexpr std::uint16_t kGuestLink = 0xFFFF;
inline constexpr std::uint16_t kRefusedLink = 0xFFFE;

// First bytes in both directions on a link. Anything that does not match closes it with a log line.
struct Handshake {
  std::uint16_t version_min = kProtocolVersionMin;
  std::uint16_t version_max = kProtocolVersion;
  std::string cluster;  // cluster id: strangers are refused
  std::string node;     // the sender's name
  NodeId node_id;
  std::uint16_t shard_count = 1;
  std::uint16_t link_index = 0;   // the dialer's shard; the acceptor attaches to index mod its T
  std::uint64_t ring_digest = 0;  // of members, weights and Q: static lists that differ are refused
};
inline constexpr std::size_t kHandshakeBytesMax = 512;
std::string EncodeHandshake(const Handshake& handshake);  // magic, u16 length, fields, CRC32C
// Returns nullopt if more bytes are needed; sets `used` to the bytes taken.
// Errors: kCorruption (bad magic, CRC, length).
Result<std::optional<Handshake>> DecodeHandshake(std::string_view bytes, std::size_t& used);

}  // namespace gyre
