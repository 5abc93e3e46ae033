#include "net/output_buffer.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <string>

#include "net/grow_buffer.h"

namespace gyre {
namespace {

std::string Flatten(const OutputBuffer& out) {
  std::string_view pieces[256];
  std::string text;
  const std::size_t count = out.Peek(pieces, 256);
  for (std::size_t i = 0; i < count; ++i) text += pieces[i];
  return text;
}

// Goal: whatever mix of small, large and consumed, the bytes leave in the order they were appended.
TEST(OutputBufferTest, BytesLeaveInOrder) {
  EXPECT_TRUE(rc::check([] {
    OutputBuffer out;
    std::string expected;
    const auto steps = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 1'000'000));
    char next = 'a';
    for (const int step : steps) {
      const std::string chunk(static_cast<std::size_t>(step % 977),
                              next = next == 'z' ? 'a' : next + 1);
      switch (step % 5) {
        case 0:
          out.Append(chunk);
          break;
        case 1: {
          const std::string large(OutputBuffer::kByReferenceMin + chunk.size(), next);
          out.Append(Bytes(large));
          expected += large;
          break;
        }
        case 2:
          chunk.copy(out.Grow(chunk.size()), chunk.size());
          break;
        case 3: {
          OutputBuffer other;
          other.Append(chunk);
          out.Append(std::move(other));
          break;
        }
        default: {
          const std::size_t gone =
              out.empty() ? 0 : static_cast<std::size_t>(step) % (out.size() + 1);
          out.Consume(gone);
          expected.erase(0, gone);
          RC_ASSERT(out.size() == expected.size());
          continue;
        }
      }
      if (step % 5 != 1) expected += chunk;
    }
    RC_ASSERT(out.size() == expected.size());
    RC_ASSERT(Flatten(out) == expected);
  }));
}

// Goal: large values are kept by reference, not copied.
TEST(OutputBufferTest, LargeValuesAreNotCopied) {
  const Bytes value(std::string(OutputBuffer::kByReferenceMin, 'v'));
  OutputBuffer out;
  out.Append("$16384\r\n");
  out.Append(value);
  std::string_view pieces[4];
  ASSERT_EQ(out.Peek(pieces, 4), 2u);
  EXPECT_EQ(pieces[1].data(), value.data());
}

// Goal: a reader that always leaves something behind does not make the buffer grow for ever.
TEST(OutputBufferTest, MemoryIsBoundedWhileItNeverRunsEmpty) {
  OutputBuffer out;
  out.Append(std::string(1'000, 'x'));
  for (int i = 0; i < 100'000; ++i) {
    out.Append(std::string(1'000, 'x'));
    out.Consume(1'000);
    ASSERT_LE(out.held_bytes(), 16'000u);
  }
}

// Goal: the same for values kept by reference: what is written is let go.
TEST(OutputBufferTest, WrittenPiecesAreLetGo) {
  const Bytes value(std::string(OutputBuffer::kByReferenceMin, 'v'));
  OutputBuffer out;
  out.Append(value);
  out.Append(value);
  for (int i = 0; i < 10'000; ++i) {
    out.Append(value);
    out.Consume(value.size());
    ASSERT_LE(out.held_bytes(), 8 * value.size());
  }
}

// Goal: memory of a burst is given back once it is written.
TEST(OutputBufferTest, ABurstIsForgotten) {
  OutputBuffer out;
  out.Append(std::string(8'000'000, 'x'));
  out.Consume(8'000'000);
  EXPECT_LE(out.held_bytes(), OutputBuffer::kKeptBytesMax);
}

// Goal: a link that is busy does not take and give back its block in each turn; a quiet one keeps
// none.
TEST(OutputBufferTest, ABusyBufferKeepsItsBlock) {
  constexpr std::size_t kTurnBytes = 4 * OutputBuffer::kKeptBytesMax;
  OutputBuffer out(/*busy_kept_bytes_max=*/4 * kTurnBytes);
  const auto turn = [&out](std::size_t bytes) {
    out.Append(std::string(bytes, 'x'));
    out.Consume(bytes / 2);
    out.Consume(bytes - bytes / 2);
    return out.held_bytes();
  };
  EXPECT_GE(turn(kTurnBytes), kTurnBytes);
  EXPECT_GE(turn(kTurnBytes / 2), kTurnBytes);
  EXPECT_LE(turn(100), OutputBuffer::kKeptBytesMax);
  EXPECT_LE(turn(8 * kTurnBytes), OutputBuffer::kKeptBytesMax);  // too large a block to keep
}

// Goal: appending a value bit by bit moves each byte O(1) times, so 64 MiB take no noticeable time.
TEST(GrowBufferTest, GrowthIsAmortised) {
  GrowBuffer buffer;
  std::size_t grown = 0;
  std::size_t capacity = 0;
  for (int i = 0; i < 64 * 1024; ++i) {
    buffer.Append(std::string_view("0123456789abcdef").substr(0, 16));
    if (buffer.capacity() != capacity) {
      capacity = buffer.capacity();
      ++grown;
    }
  }
  EXPECT_EQ(buffer.size(), 1024u * 1024u);
  EXPECT_LE(grown, 16u);
  EXPECT_LE(buffer.capacity(), 2 * buffer.size());
}

}  // namespace
}  // namespace gyre
