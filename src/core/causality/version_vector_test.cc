#include "core/causality/version_vector.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

#include "core/causality/arbitrary.h"
#include "core/config.h"

namespace gyre {
namespace {

constexpr ActorId kA{10}, kB{20};

std::string Encoded(const VersionVector& vector) {
  std::string bytes(vector.EncodedBytes(), '\0');
  Writer out(bytes.data());
  vector.Encode(out);
  EXPECT_EQ(out.position(), bytes.data() + bytes.size());
  return bytes;
}

// Goal: an entry stands for all writes up to n of its own counter, and for none of any other.
// Paper 4.4
TEST(VersionVectorTest, CoversUpToNOfTheSameActorAndEpochOnly) {
  VersionVector seen;
  seen.Add({kA, 2, 3}, {100});
  EXPECT_TRUE(seen.Covers({kA, 2, 1}));
  EXPECT_TRUE(seen.Covers({kA, 2, 3}));
  EXPECT_FALSE(seen.Covers({kA, 2, 4}));
  EXPECT_FALSE(seen.Covers({kA, 1, 1}));
  EXPECT_FALSE(seen.Covers({kA, 3, 1}));
  EXPECT_FALSE(seen.Covers({kB, 2, 1}));
}

TEST(VersionVectorTest, AddKeepsEntriesSortedAndNeverLowersN) {
  VersionVector seen;
  seen.Add({kB, 1, 1}, {5});
  seen.Add({kA, 2, 4}, {6});
  seen.Add({kA, 1, 2}, {7});
  seen.Add({kA, 2, 3}, {999});
  seen.Add({kA, 2, 4}, {999});
  const std::vector<VersionVector::Entry> expected = {
      {kA, 1, 2, {7}}, {kA, 2, 4, {6}}, {kB, 1, 1, {5}}};
  EXPECT_EQ(std::vector(seen.entries().begin(), seen.entries().end()), expected);
  seen.Remove(kA, 2);
  seen.Remove(kA, 9);
  EXPECT_FALSE(seen.Covers({kA, 2, 1}));
  EXPECT_EQ(seen.size(), 2u);
}

TEST(VersionVectorTest, TimesOutsideTheFormatAreTakenAsTheNearestWithin) {
  VersionVector seen;
  seen.Add({kA, 1, 1}, {-1});
  seen.Add({kB, 1, 1}, {INT64_MAX});
  EXPECT_EQ(seen.entries()[0].time.ms, 0);
  EXPECT_EQ(seen.entries()[1].time.ms, kWallTimeMsMax);
  seen.LimitTimes({77});
  EXPECT_EQ(seen.entries()[1].time.ms, 77);
}

// Goal: the orders that everything else stands on agree with their definition, dot by dot.
RC_GTEST_PROP(VersionVectorProperty, MergeAndDominanceAreThoseOfSetsOfDots, ()) {
  const VersionVector a = AnyClock();
  const VersionVector b = AnyClock();
  VersionVector merged = a;
  merged.Merge(b);
  VersionVector other_way = b;
  other_way.Merge(a);
  RC_ASSERT(merged == other_way);
  bool all_of_b = true;
  bool all_of_a = true;
  for (std::uint64_t actor = 7; actor < 10; ++actor) {
    for (std::uint64_t epoch = 1; epoch < 3; ++epoch) {
      for (std::uint64_t n = 1; n < 5; ++n) {
        const Dot dot{ActorId(actor), epoch, n};
        RC_ASSERT(merged.Covers(dot) == (a.Covers(dot) || b.Covers(dot)));
        all_of_b = all_of_b && (a.Covers(dot) || !b.Covers(dot));
        all_of_a = all_of_a && (b.Covers(dot) || !a.Covers(dot));
      }
    }
  }
  RC_ASSERT(a.Dominates(b) == all_of_b);
  RC_ASSERT(a.SameDots(b) == (all_of_a && all_of_b));
}

// Goal: lookups do not depend on the length at which they change their method.
TEST(VersionVectorTest, LongClocksAnswerAsShortOnesDo) {
  VersionVector seen;
  for (std::uint64_t i = 100; i > 0; --i) seen.Add({ActorId(i), i % 3, i}, {1});
  for (std::uint64_t i = 1; i <= 100; ++i) {
    EXPECT_TRUE(seen.Covers({ActorId(i), i % 3, i}));
    EXPECT_FALSE(seen.Covers({ActorId(i), i % 3, i + 1}));
    EXPECT_FALSE(seen.Covers({ActorId(i), i % 3 + 1, 1}));
  }
}

RC_GTEST_PROP(VersionVectorProperty, BinaryFormRoundTrips, ()) {
  const VersionVector vector = AnyWildRecord().clock;
  const std::string bytes = Encoded(vector);
  Reader in(bytes);
  RC_ASSERT(VersionVector::Decode(in) == vector);
  RC_ASSERT(in.done());
  Reader cut(std::string_view(bytes).substr(0, *rc::gen::inRange<std::size_t>(0, bytes.size())));
  VersionVector::Decode(cut);
  RC_ASSERT(!cut.ok());
}

// Goal: one vector has one form, so that equal records have equal bytes.
TEST(VersionVectorTest, DecodeRefusesWhatEncodeNeverWrites) {
  VersionVector one, two;
  one.Add({kA, 1, 1}, {1});
  two.Add({kB, 1, 1}, {1});
  const std::string first = Encoded(one).substr(1);
  const std::string second = Encoded(two).substr(1);
  const auto refused = [](const std::string& bytes) {
    Reader in(bytes);
    return VersionVector::Decode(in).empty() && !in.ok();
  };
  EXPECT_FALSE(refused("\x02" + first + second));
  EXPECT_TRUE(refused("\x02" + second + first)) << "unsorted";
  EXPECT_TRUE(refused("\x02" + first + first)) << "twice";
  std::string zero = first;
  zero[9] = 0;  // n
  EXPECT_TRUE(refused("\x01" + zero)) << "n = 0";
  EXPECT_TRUE(refused("\xa0\x8d\x06" + first)) << "100,000 entries announced, one sent";
  EXPECT_TRUE(refused("\xa1\x8d\x06" + std::string(100'001 * 16, '\1'))) << "past the limit";
}

// ---- contexts --------------------------------------------------------------------------------

RC_GTEST_PROP(ContextProperty, RoundTripsAsUrlSafeText, ()) {
  const VersionVector seen = AnyWildRecord().clock;
  const std::string text = EncodeContext(seen);
  RC_ASSERT(text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                   "0123456789-_") == std::string::npos);
  RC_ASSERT(DecodeContext(text).value() == seen);
  RC_ASSERT(text.empty() == seen.empty());
}

// Goal: a mangled context is an error, never another context: it would overwrite what was not seen.
RC_GTEST_PROP(ContextProperty, AnyOtherTextIsRefused, ()) {
  VersionVector seen = AnyWildRecord().clock;
  seen.Add({kA, 1, 1}, {5});
  const std::string text = EncodeContext(seen);
  std::string mangled = text;
  const auto at = *rc::gen::inRange<std::size_t>(0, text.size());
  switch (*rc::gen::inRange(0, 4)) {
    case 0:
      mangled[at] = *rc::gen::arbitrary<char>();
      break;
    case 1:
      mangled.erase(at);
      break;  // cut short
    case 2:
      mangled.erase(at, 1);
      break;
    case 3:
      mangled.insert(at, 1, *rc::gen::arbitrary<char>());
      break;
  }
  RC_PRE(mangled != text && !mangled.empty());
  const auto decoded = DecodeContext(mangled);
  RC_ASSERT(!decoded.has_value());
  RC_ASSERT(decoded.error().code == ErrorCode::kInvalidArgument);
}

TEST(ContextTest, PaddingOtherAlphabetsAndOtherLengthsAreRefused) {
  VersionVector seen;
  seen.Add({ActorId(~0ull), 1, 1}, {5});
  const std::string text = EncodeContext(seen);
  for (const std::string& bad : {text + "=", text + "A", " " + text, text + "\n", std::string("A"),
                                 std::string("AAAA"), std::string(kContextBytesMax + 1, 'A')}) {
    EXPECT_FALSE(DecodeContext(bad).has_value()) << bad.substr(0, 40);
  }
  // 22 bytes are 30 letters, of which the last has bits to spare: only one way to leave them.
  for (const char last :
       std::string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")) {
    if (last == text.back()) continue;
    EXPECT_FALSE(DecodeContext(text.substr(0, text.size() - 1) + last).has_value()) << last;
  }
}

}  // namespace
}  // namespace gyre
