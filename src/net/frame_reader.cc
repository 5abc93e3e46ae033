#include "net/frame_reader.h"

#include "base/codec.h"
#include "base/hash.h"

namespace gyre {
namespace {

constexpr std::size_t kKeepaliveBodyBytes = 5;  // type, sender's shard, receiving shard
constexpr std::uint16_t kNoShard = 0xFFFF;

}  // namespace

Result<std::size_t> FrameReader::FrameSizeAt(std::size_t at) const {
  if (bytes_.size() - at < kFrameHeaderBytes) return 0;
  const Result<FrameHeader> header = DecodeFrameHeader(bytes_.substr(at, kFrameHeaderBytes));
  if (!header) return Fail(header.error());
  if (header->body_bytes > body_bytes_max_) {
    return Fail(ErrorCode::kCorruption, "frame: longer than is allowed here");
  }
  const std::size_t size = kFrameHeaderBytes + header->body_bytes;
  return bytes_.size() - at < size ? 0 : size;
}

// Copies the next frame, and those behind it as long as all are small. What is wrong with a later
// frame is found when its turn comes.
Status FrameReader::FillBlock() {
  const Result<std::size_t> first = FrameSizeAt(used_);
  if (!first) return Fail(first.error());
  std::size_t size = *first;
  if (size > 0 && size <= kSharedFrameBytesMax) {
    while (true) {
      const Result<std::size_t> next = FrameSizeAt(used_ + size);
      if (!next || *next == 0 || *next > kSharedFrameBytesMax) break;
      if (size + *next > kSharedBlockBytesMax) break;
      size += *next;
    }
  }
  block_begin_ = used_;
  block_ = Bytes(bytes_.substr(used_, size));
  return {};
}

Result<std::optional<Frame>> FrameReader::Next() {
  if (used_ == block_begin_ + block_.size()) {
    if (Status status = FillBlock(); !status) return Fail(status.error());
    if (block_.empty()) return std::optional<Frame>();
  }
  const std::size_t at = used_ - block_begin_;
  const Result<FrameHeader> header = DecodeFrameHeader(block_.view().substr(at, kFrameHeaderBytes));
  if (!header) return Fail(header.error());
  used_ += kFrameHeaderBytes + header->body_bytes;
  return Frame{*header, block_.Slice(at + kFrameHeaderBytes, header->body_bytes)};
}

std::string KeepaliveFrame(ShardId from) {
  char body[kKeepaliveBodyBytes];
  Writer body_writer(body);
  body_writer.U8(kKeepaliveType);
  body_writer.U16(from.value);
  body_writer.U16(kNoShard);
  const std::string_view body_view(body, sizeof body);
  std::string frame(kFrameHeaderBytes, '\0');
  Writer header_writer(frame.data());
  header_writer.U32(kKeepaliveBodyBytes);
  header_writer.U32(Crc32c(body_view));
  frame.append(body_view);
  return frame;
}

bool IsKeepalive(const Frame& frame) {
  const std::string_view body = frame.body.view();
  return body.size() == kKeepaliveBodyBytes &&
         static_cast<std::uint8_t>(body[0]) == kKeepaliveType && Crc32c(body) == frame.header.crc;
}

}  // namespace gyre
