#include "net/frame_reader.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <string>
#include <vector>

#include "base/codec.h"
#include "base/hash.h"

namespace gyre {
namespace {

std::string FrameOf(std::string_view body) {
  std::string frame(kFrameHeaderBytes, '\0');
  Writer writer(frame.data());
  writer.U32(static_cast<std::uint32_t>(body.size()));
  writer.U32(Crc32c(body));
  return frame.append(body);
}

// Goal: however the stream is cut, the same bodies come out, once each and in order.
TEST(FrameReaderTest, CutsOfTheStreamDoNotMatter) {
  EXPECT_TRUE(rc::check([] {
    const auto sizes = *rc::gen::container<std::vector<int>>(rc::gen::inRange(1, 9'000));
    const auto cut_max = static_cast<std::size_t>(*rc::gen::inRange(1, 40'000));
    std::string stream;
    std::vector<std::string> bodies;
    for (const int size : sizes) {
      bodies.emplace_back(static_cast<std::size_t>(size),
                          static_cast<char>('a' + bodies.size() % 26));
      stream += FrameOf(bodies.back());
    }
    std::vector<std::string> read;
    std::string pending;
    for (std::size_t at = 0; at < stream.size();) {
      const std::string chunk = stream.substr(at, cut_max);
      at += chunk.size();
      pending += chunk;
      FrameReader reader(pending);
      while (true) {
        const auto frame = reader.Next();
        RC_ASSERT(frame.has_value());
        if (!frame->has_value()) break;
        RC_ASSERT((*frame)->header.crc == Crc32c((*frame)->body.view()));
        read.push_back((*frame)->body.ToString());
      }
      pending.erase(0, reader.used());
    }
    RC_ASSERT(read == bodies);
    RC_ASSERT(pending.empty());
  }));
}

// Goal: small frames share a block, and no slice keeps more than the documented bound alive.
TEST(FrameReaderTest, SmallFramesShareABoundedBlock) {
  std::string stream;
  for (int i = 0; i < 1'000; ++i) stream += FrameOf(std::string(100, 'x'));
  stream += FrameOf(std::string(FrameReader::kSharedFrameBytesMax, 'L'));
  FrameReader reader(stream);
  std::size_t blocks = 0;
  std::size_t last_end = 0;
  Bytes last;
  for (int i = 0; i < 1'000; ++i) {
    const Frame frame = *reader.Next().value();
    EXPECT_LE(frame.body.block_bytes(), FrameReader::kSharedBlockBytesMax);
    if (last.empty() || frame.body.data() != last.data() + last_end) ++blocks;
    last = frame.body;
    last_end = last.size() + kFrameHeaderBytes;
  }
  EXPECT_LE(blocks, 8u);
  const Frame large = *reader.Next().value();
  EXPECT_EQ(large.body.block_bytes(), large.body.size() + kFrameHeaderBytes);
  EXPECT_EQ(reader.used(), stream.size());
}

// Goal: an impossible length is found before any memory is taken for it.
TEST(FrameReaderTest, ImpossibleLengthsAreErrors) {
  for (const std::uint32_t length : {0u, static_cast<std::uint32_t>(kFrameBodyBytesMax + 1), ~0u}) {
    std::string stream = FrameOf("fine");
    std::string bad(kFrameHeaderBytes, '\0');
    Writer(bad.data()).U32(length);
    stream += bad;
    FrameReader reader(stream);
    EXPECT_TRUE(reader.Next().value().has_value());
    const auto frame = reader.Next();
    ASSERT_FALSE(frame) << length;
    EXPECT_EQ(frame.error().code, ErrorCode::kCorruption);
  }
}

// Goal: a reader with a lower limit takes what just fits, and nothing longer, also behind others.
TEST(FrameReaderTest, ALowerLimitHolds) {
  const std::string stream = FrameOf("12345") + FrameOf("123456");
  FrameReader reader(stream, /*body_bytes_max=*/5);
  EXPECT_EQ(reader.Next().value()->body.view(), "12345");
  const auto frame = reader.Next();
  ASSERT_FALSE(frame);
  EXPECT_EQ(frame.error().code, ErrorCode::kCorruption);
  EXPECT_EQ(reader.used(), kFrameHeaderBytes + 5);
}

// Goal: the keepalive is a sound frame of a type that no message has, and is known again.
TEST(FrameReaderTest, KeepaliveIsAFrame) {
  const std::string bytes = KeepaliveFrame(ShardId(3));
  EXPECT_EQ(bytes.size(), 13u);
  FrameReader reader(bytes);
  Frame frame = *reader.Next().value();
  EXPECT_TRUE(IsKeepalive(frame));
  EXPECT_FALSE(DecodeFrameBody(frame.header, frame.body));
  frame.header.crc ^= 1;
  EXPECT_FALSE(IsKeepalive(frame));
}

}  // namespace
}  // namespace gyre
