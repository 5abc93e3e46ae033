// Splits what a link received into frames (core/wire/message_codec.h), and knows the keepalive.
//
// Small frames that came together share one block, so that a busy link makes one allocation for
// many frames. A body is therefore a slice that may keep up to kSharedBlockBytesMax alive: fine for
// as long as a request lives; whoever stores a part of it for longer calls Bytes::Compact first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "core/ids.h"
#include "core/wire/message_codec.h"

namespace gyre {

struct Frame {
  FrameHeader header;
  Bytes body;
};

class FrameReader {
 public:
  static constexpr std::size_t kSharedBlockBytesMax = 16 * 1024;
  // A larger frame has a block of its own.
  static constexpr std::size_t kSharedFrameBytesMax = 4 * 1024;

  // `bytes` must outlive the reader. A frame with a longer body is an impossible one.
  explicit FrameReader(std::string_view bytes, std::size_t body_bytes_max = kFrameBodyBytesMax)
      : bytes_(bytes), body_bytes_max_(body_bytes_max) {}

  // The next whole frame; nullopt if more bytes are needed first. The CRC is not checked here.
  // Errors: kCorruption: an impossible length; nothing behind it can be read.
  Result<std::optional<Frame>> Next();
  // Bytes of all frames given out so far.
  std::size_t used() const { return used_; }

 private:
  // Bytes of the whole frame at `at`, 0 if it is not all there.
  Result<std::size_t> FrameSizeAt(std::size_t at) const;
  Status FillBlock();

  const std::string_view bytes_;
  const std::size_t body_bytes_max_;
  std::size_t used_ = 0;
  Bytes block_;  // copy of bytes_ from block_begin_: whole frames
  std::size_t block_begin_ = 0;
};

// The frame of a link that has nothing else to say. Its type is no MessageType, and it has no
// fields (docs/wire-format.md, Keepalive).
inline constexpr std::uint8_t kKeepaliveType = 0;
std::string KeepaliveFrame(ShardId from);
// True for a sound keepalive; its CRC is checked.
bool IsKeepalive(const Frame& frame);

}  // namespace gyre
