#include "client/tries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gyre {
namespace {

using Kind = Tries::Step::Kind;

// Candidates that nothing connects to, and pauses that chance does not shorten.
class Scene final : public Tries::Source {
 public:
  explicit Scene(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      all_.push_back(std::make_shared<Endpoint>(Endpoint::Options{}, cluster_));
    }
  }
  Tries::Candidates CandidatesFor(std::string_view) override {
    ++rounds;
    return all_;
  }
  Duration Shortened(Duration pause) override { return pause; }

  Tries::Step Next(Tries& tries) { return tries.Next(*this, "k", now); }
  const Endpoint* at(std::size_t i) const { return all_[i].get(); }

  Instant now{1'000'000};
  int rounds = 0;

 private:
  ClusterMap cluster_{""};
  Tries::Candidates all_;
};

const Error kBusy{ErrorCode::kOverloaded, "BUSY"};
const Error kTooFew{ErrorCode::kUnavailable, "UNAVAILABLE"};
const Error kLost{ErrorCode::kOutcomeUnknown, "lost"};
const Tries::Limits kLimits{Duration::Seconds(2), 4};

Instant At(std::int64_t ms) { return Instant{1'000'000} + Duration::Millis(ms); }

// Goal: who is slow to connect, or to answer a read, leaves half of the time to the others; a
// write, and the last, get all of it.
TEST(TriesTest, SharesTheTime) {
  Scene scene(2);
  Tries read(/*is_read=*/true, kLimits, scene.now);
  Tries::Step step = scene.Next(read);
  EXPECT_EQ(step.kind, Kind::kConnect);
  EXPECT_EQ(step.to.get(), scene.at(0));
  EXPECT_EQ(step.until, At(1000));
  scene.now = At(1000);
  EXPECT_EQ(read.OnConnected(scene.now), At(1500));
  scene.now = At(1500);
  read.OnLost(kLost);
  step = scene.Next(read);
  EXPECT_EQ(step.to.get(), scene.at(1));
  EXPECT_EQ(step.until, At(2000));

  Tries write(/*is_read=*/false, kLimits, At(0));
  scene.now = At(0);
  scene.Next(write);
  EXPECT_EQ(write.OnConnected(scene.now), At(2000));
}

// Goal: what was surely not applied goes on to the next; a write that may be is never repeated.
TEST(TriesTest, GoesOnOnlyWhereThatIsSafe) {
  for (const bool is_read : {true, false}) {
    Scene scene(3);
    Tries tries(is_read, kLimits, scene.now);
    scene.Next(tries);
    tries.OnConnected(scene.now);
    tries.OnRefused(kTooFew);
    EXPECT_EQ(scene.Next(tries).to.get(), scene.at(1));
    tries.OnConnected(scene.now);
    tries.OnLost(kLost);
    EXPECT_EQ(scene.Next(tries).kind, is_read ? Kind::kConnect : Kind::kEnd);
    EXPECT_EQ(tries.error().kind, is_read ? ErrorKind::kUnavailable : ErrorKind::kUnknown);
  }
}

// Goal: pauses double, come after BUSY and after a round in which all have refused, and none goes
// past the deadline.
TEST(TriesTest, PausesLongerAndLonger) {
  Scene scene(2);
  Tries tries(/*is_read=*/false, {Duration::Millis(75), 100}, scene.now);
  std::vector<std::int64_t> pauses;
  for (;;) {
    const Tries::Step step = scene.Next(tries);
    if (step.kind == Kind::kEnd) break;
    if (step.kind == Kind::kPause) {
      pauses.push_back((step.until - scene.now).ms());
      scene.now = step.until;
      continue;
    }
    ASSERT_TRUE(tries.OnConnected(scene.now));
    tries.OnRefused(step.to.get() == scene.at(0) ? kBusy : kTooFew);
  }
  EXPECT_THAT(pauses, testing::ElementsAre(10, 20, 40));  // BUSY, the round, BUSY; 80 is too long
  EXPECT_EQ(scene.rounds, 2);
  EXPECT_EQ(tries.error().kind, ErrorKind::kUnavailable);
}

// Goal: tries are counted; one where nobody could be reached is none.
TEST(TriesTest, CountsWhatWasSent) {
  Scene scene(3);
  Tries tries(/*is_read=*/true, {Duration::Seconds(2), 2}, scene.now);
  scene.Next(tries);
  tries.OnNoConnection(kTooFew);
  EXPECT_EQ(tries.error().kind, ErrorKind::kNotConnected);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(scene.Next(tries).kind, Kind::kConnect);
    tries.OnConnected(scene.now);
    tries.OnRefused(kTooFew);
  }
  EXPECT_EQ(scene.Next(tries).kind, Kind::kEnd);
  EXPECT_EQ(tries.error().kind, ErrorKind::kUnavailable);
}

// Goal: with nobody to connect to it ends after one round; past the deadline nothing is sent.
TEST(TriesTest, EndsWhereNothingIsToBeHad) {
  Scene nobody(0);
  Tries none(/*is_read=*/true, kLimits, nobody.now);
  EXPECT_EQ(nobody.Next(none).kind, Kind::kEnd);
  EXPECT_EQ(none.error().kind, ErrorKind::kNotConnected);

  Scene scene(2);
  Tries tries(/*is_read=*/true, kLimits, scene.now);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(scene.Next(tries).kind, Kind::kConnect);
    tries.OnNoConnection(kTooFew);
  }
  EXPECT_EQ(scene.Next(tries).kind, Kind::kEnd);

  Tries late(/*is_read=*/false, kLimits, scene.now);
  EXPECT_EQ(scene.Next(late).kind, Kind::kConnect);
  EXPECT_EQ(late.OnConnected(At(2000)), std::nullopt);
  EXPECT_EQ(scene.Next(late).kind, Kind::kEnd);
  EXPECT_TRUE(late.error().surely_not_applied());
}

}  // namespace
}  // namespace gyre
