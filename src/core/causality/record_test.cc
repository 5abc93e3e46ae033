#include "core/causality/record.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>

#include "base/codec.h"
#include "core/causality/arbitrary.h"
#include "core/config.h"

namespace gyre {
namespace {

constexpr ActorId kA{0xA000000000000001}, kB{0xB000000000000001};

Record OneSibling(std::string_view value) {
  Record record;
  record.clock.Add({kA, 300, 1}, {1'700'000'000'000});
  record.siblings.push_back(SiblingOf({kA, 300, 1}, HybridTime::Of({1'700'000'000'000}), value));
  return record;
}

ErrorCode CodeOf(const Result<Record>& result) {
  return result.has_value() ? ErrorCode::kNotFound : result.error().code;
}

// `record` with its metadata changed by `edit`, under a guard that is right again.
template <typename Edit>
Bytes Reguarded(const Record& record, Edit edit) {
  std::string bytes = record.Encode().ToString();
  edit(bytes);
  const std::size_t metadata_bytes = static_cast<unsigned char>(bytes[5]);
  Writer(bytes.data()).U32(Crc32c(std::string_view(bytes).substr(4, 2 + metadata_bytes)));
  return Bytes(bytes);
}

RC_GTEST_PROP(RecordProperty, RoundTripsWithEqualBytes, ()) {
  const Record record = AnyWildRecord();
  const Bytes bytes = record.Encode();
  RC_ASSERT(bytes.size() == record.EncodedBytes());
  const auto decoded = Record::Decode(bytes);
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(*decoded == record);
  RC_ASSERT(decoded->Encode() == bytes);
}

// Goal: no flipped bit is ever served, wherever it is.
RC_GTEST_PROP(RecordProperty, EveryFlippedBitIsFound, ()) {
  const std::string bytes = AnyWildRecord().Encode().ToString();
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
    RC_ASSERT(CodeOf(Record::Decode(Bytes(flipped))) == ErrorCode::kCorruption);
  }
}

RC_GTEST_PROP(RecordProperty, EveryCutAndEveryByteTooManyIsFound, ()) {
  const std::string bytes = AnyWildRecord().Encode().ToString();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    RC_ASSERT(CodeOf(Record::Decode(Bytes(bytes.substr(0, size)))) == ErrorCode::kCorruption);
  }
  RC_ASSERT(CodeOf(Record::Decode(Bytes(bytes + '\0'))) == ErrorCode::kCorruption);
}

TEST(RecordTest, OneSiblingCostsUnderSeventyBytesBesideItsValue) {
  const std::string value(1024, 'v');
  EXPECT_LT(OneSibling(value).Encode().size() - value.size(), 70u);
}

TEST(RecordTest, ValuesAreSlicesOfTheEncodedBytes) {
  const Bytes bytes = OneSibling("hello").Encode();
  const Record record = Record::Decode(bytes).value();
  EXPECT_EQ(record.siblings[0].value.view(), "hello");
  EXPECT_GE(record.siblings[0].value.data(), bytes.data());
  EXPECT_LT(record.siblings[0].value.data(), bytes.data() + bytes.size());
}

// Goal: what a later version wrote is not taken for damage, or scrub would overwrite it.
TEST(RecordTest, ALaterVersionAndALaterTypeAreUnsupportedNotCorrupt) {
  const Record record = OneSibling("v");
  const Bytes later = Reguarded(record, [](std::string& bytes) { bytes[4] = 2; });
  EXPECT_EQ(CodeOf(Record::Decode(later)), ErrorCode::kUnsupported);
  const Bytes typed = Reguarded(record, [](std::string& bytes) {
    bytes[6 + 1 + 8 + 2 + 1 + 6 + 1 + 1 + 1] = 2;  // after clock, count, index, distance: the type
  });
  EXPECT_EQ(CodeOf(Record::Decode(typed)), ErrorCode::kUnsupported);
}

// Goal: one record has one form, under a guard that is right.
TEST(RecordTest, DecodeRefusesWhatEncodeNeverWrites) {
  Record record;
  record.clock.Add({kA, 1, 2}, {1});
  record.clock.Add({kB, 1, 1}, {1});
  record.siblings.push_back(TombstoneOf({kA, 1, 2}, {1}));
  record.siblings.push_back(TombstoneOf({kB, 1, 1}, {1}));
  ASSERT_TRUE(Record::Decode(record.Encode()).has_value());
  const std::size_t first = 6 + 1 + 2 * 16 + 1;
  const std::size_t second = first + 11;
  const auto edited = [&](std::size_t at, char byte) {
    return CodeOf(Record::Decode(Reguarded(record, [&](std::string& bytes) { bytes[at] = byte; })));
  };
  EXPECT_EQ(edited(second, 1), ErrorCode::kNotFound) << "the place of the clock index is right";
  EXPECT_EQ(edited(second, 0), ErrorCode::kCorruption) << "the same dot twice";
  EXPECT_EQ(edited(first, 1), ErrorCode::kCorruption) << "siblings out of order";
  EXPECT_EQ(edited(second, 2), ErrorCode::kCorruption) << "no such clock entry";
  EXPECT_EQ(edited(first + 1, 2), ErrorCode::kCorruption) << "n = 0";
  EXPECT_EQ(edited(first + 1, 1), ErrorCode::kNotFound) << "n = 1";
  EXPECT_EQ(edited(first - 1, 1), ErrorCode::kCorruption) << "bytes left over";
  EXPECT_EQ(edited(first - 1, 3), ErrorCode::kCorruption) << "a sibling too few";
}

// Goal: paper 4.4's newest version is a choice that every replica makes alike.
TEST(RecordTest, NewestLiveGoesByTimeThenDotAndSkipsTheDead) {
  Record record;
  record.clock.Add({kA, 1, 4}, {1});
  record.clock.Add({kB, 1, 1}, {1});
  EXPECT_EQ(record.NewestLive({0}), nullptr);
  record.siblings.push_back(SiblingOf({kA, 1, 1}, {50}, "old"));
  record.siblings.push_back(SiblingOf({kA, 1, 2}, {60}, "tie"));
  record.siblings.push_back(SiblingOf({kA, 1, 3}, {90}, "expires", {1'000}));
  record.siblings.push_back(TombstoneOf({kA, 1, 4}, {99}));
  record.siblings.push_back(SiblingOf({kB, 1, 1}, {60}, "tie, greater dot"));
  EXPECT_EQ(record.NewestLive({999})->value.view(), "expires");
  EXPECT_EQ(record.NewestLive({1'000})->value.view(), "tie, greater dot");
}

// Goal: what is too large for the format is refused where it is made, not when it is read back.
TEST(RecordTest, CheckLimitsRefusesWhatADecoderWould) {
  Record many;
  many.clock.Add({kA, 1, kSiblingsHardMax + 1}, {1});
  for (std::uint64_t n = 1; n <= kSiblingsHardMax; ++n) {
    many.siblings.push_back(TombstoneOf({kA, 1, n}, {n}));
  }
  EXPECT_TRUE(many.CheckLimits().has_value());
  EXPECT_EQ(Record::Decode(many.Encode()).value(), many);
  many.siblings.push_back(TombstoneOf({kA, 1, kSiblingsHardMax + 1}, {1}));
  EXPECT_EQ(many.CheckLimits().error().code, ErrorCode::kOverloaded);
  EXPECT_FALSE(Record::Decode(many.Encode()).has_value());

  Record large;
  large.clock.Add({kA, 1, 5}, {1});
  const Bytes shared(std::string(kValueBytesHardMax, 'x'));
  for (std::uint64_t n = 1; n <= 4; ++n) {
    large.siblings.push_back({{kA, 1, n}, {n}, kNeverExpires, ValueType::kBytes, 0, shared});
  }
  EXPECT_EQ(large.CheckLimits().error().code, ErrorCode::kOverloaded);
}

TEST(HybridTimeTest, HoldsWallTimeWithinItsRange) {
  EXPECT_EQ(HybridTime::Of({1'700'000'000'123}).wall().ms, 1'700'000'000'123);
  EXPECT_EQ(HybridTime::Of({-5}).value, 0u);
  EXPECT_EQ(HybridTime::Of({INT64_MAX}).wall().ms, kWallTimeMsMax);
}

}  // namespace
}  // namespace gyre
