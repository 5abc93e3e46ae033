// Bytes that are on disks and in clients' hands. A change here is a change of format: it needs a
// new version byte, a decoder for the old one, docs/disk-format.md, and an ADR.
#include <gtest/gtest.h>

#include "core/causality/actor.h"
#include "core/causality/arbitrary.h"
#include "core/causality/golden.h"
#include "core/causality/record.h"

namespace gyre {
namespace {

constexpr ActorId kA{0x0a0b0c0123456789}, kB{0x0d0e0f0123456789};

// Goal: records written by this version stay readable. Two actors, a value with expiry that the
// clock has moved past, a tombstone.
TEST(RecordGoldenTest, TwoSiblings) {
  Record record;
  record.clock.Add({kA, 1, 3}, {0x018bcfe56800});
  record.clock.Add({kB, 300, 1}, {0x018bcfe56801});
  record.siblings.push_back(SiblingOf({kA, 1, 2}, {0x018bcfe568000001}, "hello", {0x018bcfe56c00}));
  record.siblings.push_back(TombstoneOf({kB, 300, 1}, {0x018bcfe568010000}));
  const std::string golden = FromHex(
      "0d0e53bf 01 48"                          // guard, version, metadata size
      "02"                                      // clock entries
      "8967452301 0c0b0a 01 03 0068e5cf8b01"    // A, epoch 1, n 3, time
      "8967452301 0f0e0d ac02 01 0168e5cf8b01"  // B, epoch 300, n 1, time
      "02"                                      // siblings
      "00 01 01 01000068e5cf8b01"               // entry 0, n 3 - 1, bytes, time
      "80d895ffbc31 fddc625c55e85595 05"        // expiry, checksum, size
      "01 00 00 00000168e5cf8b01"               // entry 1, n 1 - 0, tombstone, time
      "68656c6c6f");                            // "hello"
  EXPECT_EQ(ToHex(record.Encode().view()), ToHex(golden));
  EXPECT_EQ(Record::Decode(Bytes(golden)).value(), record);
}

TEST(RecordGoldenTest, ContextInAClientsHand) {
  VersionVector seen;
  seen.Add({kA, 1, 3}, {0x018bcfe56800});
  EXPECT_EQ(EncodeContext(seen), "AQGJZ0UjAQwLCgEDAGjlz4sB_4QKlQ");
  EXPECT_EQ(DecodeContext("AQGJZ0UjAQwLCgEDAGjlz4sB_4QKlQ").value(), seen);
}

TEST(RecordGoldenTest, NoteOfACleanStop) {
  const CleanStop stop{"folder", {{kA, 300}}};
  const std::string golden = FromHex("01 06 666f6c646572 01 8967452301 0c0b0a ac02 2035c4ca");
  EXPECT_EQ(ToHex(EncodeCleanStop(stop)), ToHex(golden));
  EXPECT_EQ(DecodeCleanStop(golden).value(), stop);
}

}  // namespace
}  // namespace gyre
