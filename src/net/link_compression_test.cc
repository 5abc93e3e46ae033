#include "net/link_compression.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>

namespace gyre {
namespace {

std::string Random(std::size_t size, unsigned seed) {
  std::mt19937 generator(seed);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(generator());
  return bytes;
}

std::string Drain(OutputBuffer& out) {
  std::string bytes;
  while (!out.empty()) {
    std::string_view piece;
    out.Peek(&piece, 1);
    bytes += piece;
    out.Consume(piece.size());
  }
  return bytes;
}

// All that `wire` says, or nothing if it cannot be read.
std::optional<std::string> Expand(LinkExpander& expander, std::string_view wire) {
  GrowBuffer plain;
  while (!wire.empty()) {
    const Result<std::size_t> taken = expander.Step(wire, plain);
    if (!taken) return std::nullopt;
    wire.remove_prefix(*taken);
  }
  return std::string(plain.view());
}

// Goal: whatever is sent in whatever pieces, and however it is cut on its way, arrives; and what
// was sent in one piece has arrived as a whole once its bytes have.
RC_GTEST_PROP(LinkCompressionTest, WhatIsSentArrives, ()) {
  LinkCompressor compressor;
  LinkExpander expander;
  const int pieces = *rc::gen::inRange(1, 12);
  bool first = true;
  for (int i = 0; i < pieces; ++i) {
    const auto size =
        *rc::gen::weightedOneOf<std::size_t>({{6, rc::gen::inRange<std::size_t>(1, 300)},
                                              {1, rc::gen::inRange<std::size_t>(1, 700'000)}});
    const std::string piece = *rc::gen::arbitrary<bool>() ? std::string(size, 'x')
                                                          : Random(size, static_cast<unsigned>(i));
    OutputBuffer out;
    compressor.Append(piece, out);
    const std::string wire = Drain(out);
    if (std::exchange(first, false)) RC_ASSERT(wire.starts_with(LinkExpander::kMagic));
    const auto cut = *rc::gen::inRange<std::size_t>(0, wire.size() + 1);
    std::string arrived;
    for (const std::string_view part :
         {std::string_view(wire).substr(0, cut), std::string_view(wire).substr(cut)}) {
      const std::optional<std::string> expanded = Expand(expander, part);
      RC_ASSERT(expanded.has_value());
      arrived += *expanded;
    }
    RC_ASSERT(arrived == piece);
  }
}

// Goal: messages that resemble those before are sent in a fraction of their bytes, although each
// leaves at once; and what cannot be compressed costs little.
TEST(LinkCompressionTest, SmallMessagesThatResembleEachOtherShrink) {
  LinkCompressor compressor;
  OutputBuffer out;
  for (int i = 0; i < 1'000; ++i) {
    compressor.Append("cart:" + std::to_string(i) +
                          R"({"item":"book","count":1,"currency":"EUR","address":"Main Street 1"})",
                      out);
  }
  const LinkCompressor::Counts alike = compressor.TakeCounts();
  EXPECT_EQ(alike.bytes_after, out.size());
  EXPECT_LT(3 * alike.bytes_after, alike.bytes_before);
  compressor.Append(Random(1'000'000, 7), out);
  const LinkCompressor::Counts noise = compressor.TakeCounts();
  EXPECT_EQ(noise.bytes_before, 1'000'000u);
  EXPECT_LT(noise.bytes_after, 1'001'000u);
}

// Goal: a few bytes that stand for many are given out by small steps.
TEST(LinkCompressionTest, OneStepAddsNoMoreThanItMay) {
  LinkCompressor compressor;
  OutputBuffer out;
  compressor.Append(std::string(50'000'000, '\0'), out);
  const std::string wire = Drain(out);
  EXPECT_LT(wire.size(), 250'000u);
  LinkExpander expander;
  GrowBuffer plain;
  std::size_t total = 0;
  for (std::string_view left = wire; !left.empty();) {
    left.remove_prefix(expander.Step(left, plain).value());
    EXPECT_LE(plain.size(), LinkExpander::kStepBytes);
    total += plain.size();
    plain.Consume(plain.size());
  }
  EXPECT_EQ(total, 50'000'000u);
}

// Goal: bytes of no compressed stream, and a stream that ends, are told, and never loop.
TEST(LinkCompressionTest, WhatCannotBeReadIsAnError) {
  LinkExpander expander;
  EXPECT_FALSE(Expand(expander, "GYRE, but not compressed").has_value());
  // An end mark behind the head: LZ4 frames end so, links do not.
  LinkCompressor compressor;
  OutputBuffer out;
  compressor.Append("x", out);
  LinkExpander other;
  EXPECT_FALSE(Expand(other, Drain(out) + std::string(4, '\0')).has_value());
}

// Goal: a flipped bit gives an error or other bytes, which the frames' checksums find: no crash.
RC_GTEST_PROP(LinkCompressionTest, DamageIsSurvived, ()) {
  LinkCompressor compressor;
  OutputBuffer out;
  for (int i = 0; i < 20; ++i) compressor.Append("message " + std::to_string(i * i), out);
  std::string wire = Drain(out);
  const auto bit = *rc::gen::inRange<std::size_t>(0, wire.size() * 8);
  wire[bit / 8] = static_cast<char>(wire[bit / 8] ^ (1 << bit % 8));
  LinkExpander expander;
  (void)Expand(expander, wire);
}

}  // namespace
}  // namespace gyre
