// SWIM: section 3 and 4 of Das et al. 2002; Lifeguard: section IV of Dadgar et al. 2018.
#include "core/membership/detector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "core/membership/arbitrary_member.h"

namespace gyre {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

constexpr NodeId kSelf(1);

class DetectorTest : public testing::Test {
 protected:
  // Members 1 to `members`; 1 is self.
  void Begin(std::uint32_t members, MembershipConfig config = Quiet()) {
    config_ = config;
    table_ = std::make_unique<MemberTable>(config_);
    for (std::uint32_t i = 1; i <= members; ++i) Tell(i, 1, Life::kAlive);
    detector_ = std::make_unique<Detector>(config_, *table_, kSelf);
    MembershipTurn turn{now_, prng_, out_};
    detector_->Start(turn);
  }
  // Nobody volunteers, so that only what a test is about happens.
  static MembershipConfig Quiet() {
    MembershipConfig config;
    config.volunteers = 0;
    return config;
  }
  void Tell(std::uint32_t id, std::uint64_t incarnation, Life life) {
    const DescriptionPtr description = DescriptionNumber(0);
    table_->Merge({NodeId(id), incarnation, life, description->digest(), description, NodeId()},
                  now_);
  }
  template <typename Fn>
  std::vector<MembershipSend> Do(Fn fn) {
    MembershipTurn turn{now_, prng_, out_};
    fn(*detector_, turn);
    return std::exchange(out_.sends, {});
  }
  // Wakes it whenever it wants until `end`. What it sends on the way.
  std::vector<MembershipSend> RunUntil(Instant end) {
    std::vector<MembershipSend> sent;
    while (detector_->NextWake() <= end) {
      CountWake();
      now_ = std::max(now_, detector_->NextWake());
      for (auto& send : Do([](Detector&d, MembershipTurn&turn) { d.OnTick(turn); })) {
        sent.push_back(std::move(send));
      }
    }
    now_ = end;
    return sent;
  }
  std::vector<MembershipSend> RunFor(Duration duration) { return RunUntil(now_ + duration); }
  // Runs to the next ping of its own; returns it.
  MembershipSend NextPing() {
    for (;;) {
      CountWake();
      now_ = std::max(now_, detector_->NextWake());
      for (auto& send : Do([](Detector&d, MembershipTurn&turn) { d.OnTick(turn); })) {
        if (std::holds_alternative<Ping>(send.message)) return send;
      }
    }
  }
  // A detector that wants to be woken for ever at one time would never end.
  void CountWake() {
    if (++wakes_ > 100'000) {
      std::fprintf(stderr, "wakes without end\n");
      std::abort();
    }
  }
  void Heard(NodeId node) { detector_->OnHeard(node); }
  bool Accuse(std::uint32_t suspect, std::uint32_t accuser) {
    bool confirmed = false;
    Do([&](Detector& d, MembershipTurn& turn) {
      confirmed = d.OnAccused(NodeId(suspect), 1, NodeId(accuser), turn);
    });
    return confirmed;
  }
  template <typename T>
  static std::vector<NodeId> To(const std::vector<MembershipSend>& sends) {
    std::vector<NodeId> nodes;
    for (const MembershipSend& send : sends) {
      if (std::holds_alternative<T>(send.message)) nodes.push_back(send.to);
    }
    return nodes;
  }

  MembershipConfig config_;
  std::unique_ptr<MemberTable> table_;
  std::unique_ptr<Detector> detector_;
  Instant now_{1'000'000};
  Prng prng_{7};
  int wakes_ = 0;
  MembershipOutput out_;
};

// Goal: SWIM 4.3, time-bounded completeness: in each round each member comes once, in an order that
// differs from round to round.
TEST_F(DetectorTest, EachRoundProbesEachOtherOnce) {
  Begin(9);
  std::vector<std::vector<NodeId>> rounds;
  for (int round = 0; round < 4; ++round) {
    std::vector<NodeId> order;
    for (int i = 0; i < 8; ++i) {
      order.push_back(NextPing().to);
      Heard(order.back());
    }
    const std::set<NodeId> different(order.begin(), order.end());
    EXPECT_THAT(different, SizeIs(8));
    EXPECT_EQ(different.count(kSelf), 0u);
    rounds.push_back(order);
  }
  EXPECT_NE(rounds[0], rounds[1]);
}

TEST_F(DetectorTest, OneProbeAPeriod) {
  Begin(50);
  std::size_t pings = 0;
  for (int i = 0; i < 100; ++i) {
    for (const NodeId to : To<Ping>(RunFor(Duration{config_.protocol_period.us / 10}))) {
      ++pings;
      Heard(to);
    }
  }
  EXPECT_EQ(pings, 10u);
}

// Goal: SWIM 3: no ack: k others are asked, and who answers nobody in the period is suspected.
TEST_F(DetectorTest, WhoAnswersNobodyIsSuspected) {
  MembershipConfig config = Quiet();
  config.resend = false;
  Begin(9, config);
  const MembershipSend ping = NextPing();
  const auto first = RunFor(config_.ack_timeout - Duration::Micros(1));
  EXPECT_THAT(To<PingRequest>(first), IsEmpty());
  const auto asked = RunFor(Duration::Micros(1));
  const auto helpers = To<PingRequest>(asked);
  EXPECT_THAT(std::set<NodeId>(helpers.begin(), helpers.end()), SizeIs(config_.helpers));
  for (const NodeId helper : helpers) {
    EXPECT_NE(helper, kSelf);
    EXPECT_NE(helper, ping.to);
  }
  EXPECT_THAT(To<Ping>(asked), IsEmpty());
  RunFor(config_.protocol_period - config_.ack_timeout - Duration::Micros(1));
  EXPECT_FALSE(detector_->has_verdicts());
  RunFor(Duration::Micros(1));
  const auto verdicts = detector_->TakeVerdicts();
  ASSERT_THAT(verdicts, SizeIs(1));
  EXPECT_EQ(verdicts[0].id, ping.to);
  EXPECT_EQ(verdicts[0].life, Life::kSuspect);
  EXPECT_EQ(verdicts[0].accuser, kSelf);
  EXPECT_EQ(verdicts[0].incarnation, 1u);
}

TEST_F(DetectorTest, AnAckThatAHelperPassesOnCounts) {
  Begin(9);
  const MembershipSend ping = NextPing();
  const auto helper = To<PingRequest>(RunFor(config_.ack_timeout)).at(0);
  const std::uint32_t sequence = std::get<Ping>(ping.message).sequence;
  Do([&](Detector& d, MembershipTurn& turn) { d.OnPingAck(helper, PingAck{sequence, {}}, turn); });
  RunFor(config_.protocol_period - config_.ack_timeout);
  EXPECT_FALSE(detector_->has_verdicts());
  EXPECT_EQ(detector_->counters().probes_failed, 0u);
}

// Goal: any frame is as good as an ack.
TEST_F(DetectorTest, WhateverIsHeardOfTheProbedCounts) {
  Begin(2);
  const MembershipSend ping = NextPing();
  Heard(ping.to);
  RunFor(config_.protocol_period - Duration::Micros(1));
  EXPECT_FALSE(detector_->has_verdicts());
}

TEST_F(DetectorTest, ResendRepeatsWithinThePeriod) {
  Begin(30);
  NextPing();
  const auto sent = RunFor(config_.protocol_period - Duration::Micros(1));
  EXPECT_THAT(To<Ping>(sent), SizeIs(3));  // at 100, 200 and 300 ms
  EXPECT_THAT(To<PingRequest>(sent), SizeIs(3 * config_.helpers));
}

// ---- helping -----------------------------------------------------------------------------------

TEST_F(DetectorTest, AHelperPingsAndPassesTheAnswerOn) {
  Begin(3);
  const auto pings = Do([&](Detector& d, MembershipTurn& turn) {
    d.OnPingRequest(NodeId(2), PingRequest{77, NodeId(3), true, {}}, turn);
  });
  ASSERT_THAT(pings, SizeIs(1));
  EXPECT_EQ(pings[0].to, NodeId(3));
  const PingAck ack{std::get<Ping>(pings[0].message).sequence, {}};
  // Not from anyone else.
  EXPECT_THAT(Do([&](Detector& d, MembershipTurn& turn) { d.OnPingAck(NodeId(2), ack, turn); }),
              IsEmpty());
  const auto passed =
      Do([&](Detector& d, MembershipTurn& turn) { d.OnPingAck(NodeId(3), ack, turn); });
  ASSERT_THAT(passed, SizeIs(1));
  EXPECT_EQ(passed[0].to, NodeId(2));
  EXPECT_EQ(std::get<PingAck>(passed[0].message).sequence, 77u);
  EXPECT_THAT(To<PingNack>(RunFor(config_.ack_timeout)), IsEmpty());
}

// Goal: Lifeguard: a helper that had no answer says so, in time for who asked.
TEST_F(DetectorTest, AHelperWithoutAnAnswerSaysSo) {
  Begin(3);
  Do([&](Detector& d, MembershipTurn& turn) {
    d.OnPingRequest(NodeId(2), PingRequest{77, NodeId(3), true, {}}, turn);
  });
  const auto sent = RunFor(config_.ack_timeout);
  EXPECT_THAT(To<PingNack>(sent), testing::ElementsAre(NodeId(2)));
}

// Goal: requests of a hostile peer are bounded.
TEST_F(DetectorTest, PingsForOthersAreBounded) {
  Begin(3);
  std::size_t pings = 0;
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    pings += Do([&](Detector& d, MembershipTurn& turn) {
               d.OnPingRequest(NodeId(2), PingRequest{i, NodeId(3), true, {}}, turn);
             }).size();
  }
  EXPECT_EQ(pings, 256u);
  RunFor(config_.protocol_period);
  EXPECT_THAT(Do([&](Detector& d, MembershipTurn& turn) {
                d.OnPingRequest(NodeId(2), PingRequest{1, NodeId(3), true, {}}, turn);
              }),
              SizeIs(1));
}

// ---- local health ------------------------------------------------------------------------------

// Goal: Lifeguard IV-A: who hears of nobody doubts itself, and takes its time.
TEST_F(DetectorTest, SilentHelpersMakeThePeriodLonger) {
  Begin(9);
  NextPing();
  RunFor(config_.protocol_period);
  EXPECT_EQ(detector_->local_health(), 1);
  NextPing();
  detector_->TakeVerdicts();
  RunFor(config_.protocol_period);
  EXPECT_FALSE(detector_->has_verdicts());
  RunFor(config_.protocol_period);
  EXPECT_TRUE(detector_->has_verdicts());
}

TEST_F(DetectorTest, NacksOfMostHelpersSpeakForItsHealth) {
  Begin(9);
  const PingNack nack{std::get<Ping>(NextPing().message).sequence, {}};
  for (int i = 0; i < 5; ++i) detector_->OnPingNack(nack);  // of 9
  RunFor(config_.protocol_period);
  EXPECT_TRUE(detector_->has_verdicts());
  EXPECT_EQ(detector_->local_health(), 0);
}

TEST_F(DetectorTest, HealthIsBoundedAndRecovers) {
  Begin(9);
  for (int i = 0; i < 20; ++i) detector_->OnSelfAccused();
  EXPECT_EQ(detector_->local_health(), config_.local_health_max);
  for (int i = 0; i < 20; ++i) Heard(NextPing().to);
  EXPECT_EQ(detector_->local_health(), 0);
  MembershipConfig off = Quiet();
  off.local_health = false;
  Begin(9, off);
  detector_->OnSelfAccused();
  EXPECT_EQ(detector_->local_health(), 0);
}

// Goal: a node that stood still blames nobody for the answers that it has not read.
TEST_F(DetectorTest, AStallIsNoEvidenceAgainstOthers) {
  Begin(9);
  const MembershipSend ping = NextPing();
  RunFor(config_.ack_timeout);
  now_ = now_ + Duration::Seconds(5);
  Do([](Detector& d, MembershipTurn& turn) { d.OnTick(turn); });
  EXPECT_FALSE(detector_->has_verdicts());
  EXPECT_EQ(detector_->counters().stalls, 1u);
  EXPECT_EQ(detector_->local_health(), 1);
  Heard(ping.to);
  RunFor(Duration::Millis(300));
  EXPECT_FALSE(detector_->has_verdicts());
}

// ---- suspicions --------------------------------------------------------------------------------

TEST(SuspicionTimeoutTest, GrowsWithTheClusterAndFallsWithAccusers) {
  MembershipConfig config;
  const auto ms = [&](std::size_t members, std::size_t confirmations) {
    return SuspicionTimeout(config, members, confirmations).ms();
  };
  EXPECT_EQ(ms(10, 3), 500);
  EXPECT_NEAR(static_cast<double>(ms(1'000, 3)), 1'500, 20);
  EXPECT_NEAR(static_cast<double>(ms(1'000, 0)), 9'000, 100);
  EXPECT_NEAR(static_cast<double>(ms(1'000, 1)), 9'000 - 3'750, 100);
  EXPECT_GT(ms(1'000, 1), ms(1'000, 2));
  EXPECT_EQ(ms(1'000, 7), ms(1'000, 3));
  // Where nobody is there to confirm it, nobody is waited for.
  EXPECT_EQ(ms(2, 0), 500);
  EXPECT_EQ(ms(3, 0), 3'000);
  EXPECT_EQ(ms(3, 1), 500);
  config.dynamic_suspicion = false;
  EXPECT_NEAR(static_cast<double>(ms(1'000, 0)), 1'500, 20);
}

TEST_F(DetectorTest, ASuspectThatDoesNotContradictIsDown) {
  Begin(3);
  Tell(2, 1, Life::kSuspect);
  Accuse(2, 3);
  const Duration time = SuspicionTimeout(config_, 3, 0);
  const Instant end = now_ + time;
  const auto downs = [this] {
    const auto verdicts = detector_->TakeVerdicts();
    return std::count_if(verdicts.begin(), verdicts.end(),
                         [](const MemberNews& news) { return news.life == Life::kDown; });
  };
  while (now_ + config_.ack_timeout < end) {
    RunFor(config_.ack_timeout);
    Heard(NodeId(2));
    Heard(NodeId(3));
  }
  EXPECT_EQ(downs(), 0);
  RunUntil(end);
  EXPECT_EQ(downs(), 1);
  EXPECT_EQ(detector_->suspicions(), 0u);
}

// Goal: Lifeguard IV-B: each accuser counts once, and the time falls.
TEST_F(DetectorTest, IndependentAccusersShortenTheTime) {
  Begin(9);
  Tell(2, 1, Life::kSuspect);
  const Instant begun = now_;
  EXPECT_FALSE(Accuse(2, 3));
  EXPECT_FALSE(Accuse(2, 3));
  EXPECT_TRUE(Accuse(2, 4));
  EXPECT_FALSE(Accuse(2, 4));
  EXPECT_TRUE(Accuse(2, 5));
  EXPECT_TRUE(Accuse(2, 6));
  EXPECT_FALSE(Accuse(2, 7));  // more than three change nothing, and are not told on
  EXPECT_EQ(detector_->FirstAccuserOf(NodeId(2)), NodeId(3));
  EXPECT_LE(detector_->NextWake(), begun + config_.suspicion_min);
  while (now_ < begun + config_.suspicion_min) RunFor(Duration::Millis(1));
  EXPECT_EQ(detector_->counters().verdicts_down, 1u);
}

TEST_F(DetectorTest, AContradictionEndsTheSuspicion) {
  Begin(9);
  Tell(2, 1, Life::kSuspect);
  Accuse(2, 3);
  detector_->OnOver(NodeId(2));
  RunFor(Duration::Seconds(20));
  EXPECT_EQ(detector_->counters().verdicts_down, 0u);
}

TEST_F(DetectorTest, VolunteersProbeASuspectAtOnce) {
  MembershipConfig config;
  config.volunteers = 100;
  Begin(9, config);
  Tell(2, 1, Life::kSuspect);
  const auto sent =
      Do([](Detector& d, MembershipTurn& turn) { d.OnAccused(NodeId(2), 1, NodeId(3), turn); });
  EXPECT_THAT(To<Ping>(sent), testing::ElementsAre(NodeId(2)));
}

TEST_F(DetectorTest, WhoIsAccusedHereIsToldAtOnce) {
  Begin(9);
  Tell(2, 1, Life::kSuspect);
  const auto sent =
      Do([](Detector& d, MembershipTurn& turn) { d.OnAccused(NodeId(2), 1, kSelf, turn); });
  EXPECT_THAT(To<Rumours>(sent), testing::ElementsAre(NodeId(2)));
}

// ---- calls -------------------------------------------------------------------------------------

// Goal: a failed call is a reason to ask, and no proof.
TEST_F(DetectorTest, AFailedCallStartsAProbeAndNoMore) {
  Begin(9);
  const auto fail = [](Detector& d, MembershipTurn& turn) { d.OnCallFailed(NodeId(2), turn); };
  EXPECT_THAT(To<Ping>(Do(fail)), testing::ElementsAre(NodeId(2)));
  EXPECT_THAT(Do(fail), IsEmpty());
  EXPECT_FALSE(detector_->has_verdicts());
  Heard(NodeId(2));
  RunFor(Duration::Micros(1));
  EXPECT_FALSE(detector_->has_verdicts());
}

TEST_F(DetectorTest, WhoIsDownIsNotProbed) {
  Begin(3);
  Tell(2, 1, Life::kDown);
  EXPECT_THAT(Do([](Detector& d, MembershipTurn& turn) { d.OnCallFailed(NodeId(2), turn); }),
              IsEmpty());
  for (int i = 0; i < 5; ++i) {
    const NodeId to = NextPing().to;
    EXPECT_EQ(to, NodeId(3));
    Heard(to);
  }
  // And is again when it is back, in this very round.
  Tell(2, 2, Life::kAlive);
  detector_->OnMemberUp(NodeId(2), prng_);
  std::set<NodeId> probed;
  for (int i = 0; i < 3; ++i) {
    probed.insert(NextPing().to);
    Heard(*probed.begin());
    Heard(*probed.rbegin());
  }
  EXPECT_EQ(probed.count(NodeId(2)), 1u);
}

}  // namespace
}  // namespace gyre
