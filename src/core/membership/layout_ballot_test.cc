#include "core/membership/layout_ballot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/ring/claim.h"

namespace gyre {
namespace {

using ::testing::HasSubstr;

constexpr NodeId kA{1}, kB{2}, kC{3}, kD{4}, kE{5};
constexpr Instant kStart{};

Member Node(NodeId id) { return {.id = id, .name = "n" + std::to_string(id.value)}; }

// Layout 1, of nodes 1..count.
Layout First(std::uint32_t count = 3, const Lineage& lineage = {1, 7}) {
  std::vector<Member> members;
  for (std::uint32_t id = 1; id <= count; ++id) members.push_back(Node(NodeId(id)));
  return Layout::Found(lineage,
                       *FoundRing(RingEpoch(1), members, {.partition_bits = 4, .replicas = 3}), 3);
}
Layout Joined(const Layout& layout, NodeId joiner) {
  return *layout.ChangeTo(*ChangeRing(layout.ring(), {.joins = {Node(joiner)}}, 3), {});
}
LayoutProposer::Recompute JoinOf(NodeId joiner) {
  return [joiner](const Layout& newest) -> Result<std::optional<Layout>> {
    if (newest.FindMember(joiner) != nullptr) return std::nullopt;
    return Joined(newest, joiner);
  };
}

BallotTopic Topic(std::uint64_t round, NodeId proposer = kA, std::uint64_t number = 2) {
  return {{1, 7}, RingEpoch(number), {round, proposer, 99}};
}
template <typename Body>
Body Only(const std::vector<BallotSend>& sends) {
  EXPECT_EQ(sends.size(), 1u);
  const Body* body = sends.empty() ? nullptr : std::get_if<Body>(&sends[0].message);
  EXPECT_NE(body, nullptr);
  return body == nullptr ? Body{} : *body;
}

// ---- acceptor --------------------------------------------------------------------------------

// Goal: nobody hears of a promise before it is durable.
TEST(LayoutAcceptorTest, RepliesWaitForTheDisk) {
  LayoutAcceptor acceptor(First(), std::nullopt);
  LayoutAcceptor::Output out;
  acceptor.OnPrepare(kB, {Topic(1)}, out);
  EXPECT_TRUE(out.sends.empty());
  ASSERT_FALSE(out.store.empty());
  EXPECT_EQ(DecodeAcceptorState(out.store)->promised, Topic(1).ballot);
  const std::uint64_t first = out.ticket;

  // Asked again meanwhile: still not durable.
  LayoutAcceptor::Output again;
  acceptor.OnPrepare(kB, {Topic(1)}, again);
  EXPECT_TRUE(again.sends.empty());
  EXPECT_TRUE(again.store.empty());

  // A greater one meanwhile: its answer waits for its own turn.
  LayoutAcceptor::Output greater;
  acceptor.OnPrepare(kC, {Topic(2, kC)}, greater);
  EXPECT_TRUE(greater.sends.empty());
  LayoutAcceptor::Output stored;
  acceptor.OnStored(first, stored);
  EXPECT_EQ(stored.sends.size(), 2u);
  EXPECT_EQ(stored.sends[0].to, kB);
  LayoutAcceptor::Output all;
  acceptor.OnStored(greater.ticket, all);
  EXPECT_EQ(Only<BallotPromise>(all.sends).topic, Topic(2, kC));

  // Nothing to store: at once.
  LayoutAcceptor::Output at_once;
  acceptor.OnPrepare(kC, {Topic(2, kC)}, at_once);
  EXPECT_EQ(Only<BallotPromise>(at_once.sends).accepted, std::nullopt);
}

// Goal: nothing below what was promised, also after a crash; what was accepted is told.
TEST(LayoutAcceptorTest, KeepsItsPromises) {
  const std::string bytes = Joined(First(), kD).Encode();
  LayoutAcceptor before(First(), std::nullopt);
  LayoutAcceptor::Output out;
  before.OnAccept(kA, {Topic(5), bytes}, out);
  LayoutAcceptor::Output told;
  before.OnStored(out.ticket, told);
  EXPECT_EQ(Only<BallotAccepted>(told.sends).topic, Topic(5));

  LayoutAcceptor acceptor(First(), *DecodeAcceptorState(out.store));
  LayoutAcceptor::Output low;
  acceptor.OnPrepare(kB, {Topic(4, kB)}, low);
  EXPECT_EQ(Only<BallotRefusal>(low.sends).promised, Topic(5).ballot);
  LayoutAcceptor::Output low_accept;
  acceptor.OnAccept(kB, {Topic(4, kB), bytes}, low_accept);
  EXPECT_EQ(Only<BallotRefusal>(low_accept.sends).reason, BallotRefusal::Reason::kOutbid);
  LayoutAcceptor::Output high;
  acceptor.OnPrepare(kB, {Topic(6, kB)}, high);
  LayoutAcceptor::Output promised;
  acceptor.OnStored(high.ticket, promised);
  const BallotPromise promise = Only<BallotPromise>(promised.sends);
  ASSERT_TRUE(promise.accepted.has_value());
  EXPECT_EQ(*promise.accepted, (AcceptedLayout{Topic(5).ballot, bytes}));
}

// Goal: who lags is told what was decided; who is ahead is told that this node lags; who is of
// another history is refused.
TEST(LayoutAcceptorTest, DeclinesWhatItCannotVoteOn) {
  LayoutAcceptor acceptor(First(), std::nullopt);
  acceptor.OnDecided(Joined(First(), kD));
  LayoutAcceptor::Output old;
  acceptor.OnPrepare(kB, {Topic(9, kB, 2)}, old);
  EXPECT_EQ(Only<BallotDecided>(old.sends).bytes, Joined(First(), kD).Encode());
  LayoutAcceptor::Output ahead;
  acceptor.OnPrepare(kB, {Topic(9, kB, 4)}, ahead);
  EXPECT_EQ(Only<BallotRefusal>(ahead.sends).reason, BallotRefusal::Reason::kLags);
  LayoutAcceptor::Output other;
  BallotTopic topic = Topic(9, kB, 3);
  topic.lineage = {1, 6};
  acceptor.OnAccept(kB, {topic, ""}, other);
  EXPECT_EQ(Only<BallotRefusal>(other.sends).reason, BallotRefusal::Reason::kLineage);
  EXPECT_EQ(Only<BallotRefusal>(other.sends).topic.lineage, (Lineage{1, 7}));
  LayoutAcceptor::Output next;
  acceptor.OnPrepare(kB, {Topic(1, kB, 3)}, next);
  EXPECT_FALSE(next.store.empty());
}

// Goal: what was voted for a later layout is not forgotten when the layout itself went back.
TEST(LayoutAcceptorTest, ALayoutThatWentBackIsNotVotedOnAgain) {
  const AcceptorState later{.lineage = {1, 7}, .number = RingEpoch(3), .promised = {4, kB, 1}};
  LayoutAcceptor acceptor(First(), later);
  LayoutAcceptor::Output out;
  acceptor.OnPrepare(kB, {Topic(9, kB, 2)}, out);
  EXPECT_EQ(Only<BallotRefusal>(out.sends).reason, BallotRefusal::Reason::kLags);
  acceptor.OnDecided(Joined(First(), kD));
  LayoutAcceptor::Output low;
  acceptor.OnPrepare(kB, {Topic(3, kB, 3)}, low);
  EXPECT_EQ(Only<BallotRefusal>(low.sends).promised, later.promised);
}

// Goal: what is no layout of that number is not accepted; no ballot of round 0; a limit on what
// waits for the disk.
TEST(LayoutAcceptorTest, TakesNothingUnfit) {
  LayoutAcceptor acceptor(First(), std::nullopt);
  LayoutAcceptor::Output out;
  acceptor.OnAccept(kB, {Topic(1, kB), "no layout"}, out);
  acceptor.OnAccept(kB, {Topic(1, kB), First().Encode()}, out);
  acceptor.OnPrepare(kB, {Topic(0, kB)}, out);
  EXPECT_TRUE(out.store.empty());
  EXPECT_TRUE(out.sends.empty());
  for (std::uint64_t round = 1; round <= 2 * LayoutAcceptor::kWaitingMax; ++round) {
    acceptor.OnPrepare(kB, {Topic(round, kB)}, out);
  }
  LayoutAcceptor::Output stored;
  acceptor.OnStored(out.ticket, stored);
  EXPECT_EQ(stored.sends.size(), LayoutAcceptor::kWaitingMax);
}

// ---- proposer --------------------------------------------------------------------------------

struct Proposal {
  explicit Proposal(Layout newest) : proposer(kA, std::move(newest), {}) {}

  LayoutProposer::Output Start(LayoutProposer::Recompute recompute) {
    LayoutProposer::Output out;
    proposer.Start(std::move(recompute), kStart, prng, out);
    return out;
  }
  LayoutProposer::Output Reply(NodeId from, const BallotMessage& message) {
    LayoutProposer::Output out;
    proposer.OnReply(from, message, kStart, prng, out);
    return out;
  }
  LayoutProposer::Output Decided(const Layout& layout) {
    LayoutProposer::Output out;
    proposer.OnDecided(layout, kStart, prng, out);
    return out;
  }
  // Ticks until something is sent or ended.
  LayoutProposer::Output Wait() {
    LayoutProposer::Output out;
    while (out.sends.empty() && !out.ended) proposer.OnTick(proposer.next_wake(), prng, out);
    return out;
  }

  LayoutProposer proposer;
  Prng prng{1};
};

BallotTopic TopicOf(const LayoutProposer::Output& out) {
  if (out.sends.empty()) return {};
  const BallotMessage& message = out.sends[0].message;
  if (const auto* accept = std::get_if<BallotAccept>(&message)) return accept->topic;
  return std::get<BallotPrepare>(message).topic;
}

// Goal: the whole way: a majority promises, a majority accepts, the layout is adopted, nothing is
// left to do. Who answers twice, or is no member, counts once, or not.
TEST(LayoutProposerTest, AMajorityDecides) {
  Proposal p(First(3));
  const auto prepare = p.Start(JoinOf(kD));
  ASSERT_EQ(prepare.sends.size(), 3u);
  const BallotTopic topic = TopicOf(prepare);
  EXPECT_EQ(topic.number, RingEpoch(2));
  EXPECT_TRUE(p.Reply(kB, BallotPromise{topic, {}}).sends.empty());
  EXPECT_TRUE(p.Reply(kB, BallotPromise{topic, {}}).sends.empty());
  EXPECT_TRUE(p.Reply(kE, BallotPromise{topic, {}}).sends.empty());
  const auto accept = p.Reply(kC, BallotPromise{topic, {}});
  ASSERT_EQ(accept.sends.size(), 3u);
  EXPECT_EQ(std::get<BallotAccept>(accept.sends[0].message).bytes, Joined(First(), kD).Encode());
  EXPECT_FALSE(p.Reply(kA, BallotAccepted{topic}).decided.has_value());
  EXPECT_FALSE(p.Reply(kA, BallotAccepted{topic}).decided.has_value());
  const auto decided = p.Reply(kB, BallotAccepted{topic});
  ASSERT_TRUE(decided.decided.has_value());
  EXPECT_FALSE(decided.ended.has_value());
  const auto ended = p.Decided(*decided.decided);
  ASSERT_TRUE(ended.ended.has_value());
  EXPECT_TRUE(ended.ended->has_value());
  EXPECT_FALSE(p.proposer.busy());
}

// Goal: what may have been decided before is finished, the greatest ballot of those told; then the
// own change is made on top of it.
TEST(LayoutProposerTest, FinishesWhatOthersBegan) {
  Proposal p(First(5));
  const BallotTopic topic = TopicOf(p.Start(JoinOf(NodeId(6))));
  const std::string older = Joined(First(5), NodeId(7)).Encode();
  const std::string newer = Joined(First(5), NodeId(8)).Encode();
  p.Reply(kB, BallotPromise{topic, AcceptedLayout{{4, kC, 1}, newer}});
  p.Reply(kC, BallotPromise{topic, AcceptedLayout{{3, kD, 9}, older}});
  const auto accept = p.Reply(kD, BallotPromise{topic, {}});
  ASSERT_EQ(accept.sends.size(), 5u);
  EXPECT_EQ(std::get<BallotAccept>(accept.sends[0].message).bytes, newer);
  p.Reply(kA, BallotAccepted{topic});
  p.Reply(kB, BallotAccepted{topic});
  const auto decided = p.Reply(kC, BallotAccepted{topic});
  const auto next = p.Decided(*decided.decided);
  ASSERT_EQ(next.sends.size(), 6u);  // node 8 has a vote now
  EXPECT_EQ(TopicOf(next).number, RingEpoch(3));
  EXPECT_FALSE(next.ended.has_value());
}

// Goal: outbid by a majority, it tries again above what it heard of; promises of before do not
// count.
TEST(LayoutProposerTest, BidsHigherWhenOutbid) {
  Proposal p(First(3));
  const BallotTopic topic = TopicOf(p.Start(JoinOf(kD)));
  const BallotRefusal refusal{topic, BallotRefusal::Reason::kOutbid, {7, kB, 1}};
  p.Reply(kB, refusal);
  p.Reply(kC, refusal);
  const auto again = p.Wait();
  EXPECT_EQ(TopicOf(again).ballot.round, 8u);
  EXPECT_NE(TopicOf(again).ballot.draw, topic.ballot.draw);
  p.Reply(kA, BallotPromise{topic, {}});
  EXPECT_TRUE(p.Reply(kB, BallotPromise{topic, {}}).sends.empty());
}

// Goal: the operator hears how many answered, and that nothing will come of it; or that it may.
TEST(LayoutProposerTest, GivesUpWithTheReason) {
  Proposal p(First(5));
  LayoutProposer::Output out = p.Start(JoinOf(NodeId(6)));
  while (!out.ended) {
    const BallotTopic topic = TopicOf(out);
    p.Reply(kA, BallotPromise{topic, {}});
    p.Reply(kB, BallotPromise{topic, {}});
    out = p.Wait();
  }
  ASSERT_FALSE(out.ended->has_value());
  EXPECT_EQ(out.ended->error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(out.ended->error().message,
              HasSubstr("2 of 5 members answered; a majority (3) is needed"));

  out = p.Start(JoinOf(NodeId(6)));
  for (const NodeId node : {kA, kB, kC}) p.Reply(node, BallotPromise{TopicOf(out), {}});
  while (!out.ended) out = p.Wait();
  EXPECT_EQ(out.ended->error().code, ErrorCode::kOutcomeUnknown);
}

// Goal: a layout decided by others ends the proposal if it did the work, or moves it on.
TEST(LayoutProposerTest, LayoutsDecidedElsewhere) {
  Proposal p(First(3));
  p.Start(JoinOf(kD));
  EXPECT_TRUE(p.Decided(First(3)).sends.empty());  // known
  const auto moved_on = p.Decided(Joined(First(3), kE));
  EXPECT_EQ(TopicOf(moved_on).number, RingEpoch(3));
  const auto ended = p.Decided(Joined(Joined(First(3), kE), kD));
  ASSERT_TRUE(ended.ended.has_value());
  EXPECT_TRUE(ended.ended->has_value());
}

// Goal: who lags is sent what it lacks; an error of Recompute, or a greater lineage, ends it.
TEST(LayoutProposerTest, OtherAnswers) {
  Proposal p(First(3));
  const BallotTopic topic = TopicOf(p.Start(JoinOf(kD)));
  const auto push = p.Reply(kC, BallotRefusal{topic, BallotRefusal::Reason::kLags, {}});
  EXPECT_EQ(Only<BallotDecided>(push.sends).bytes, First(3).Encode());
  BallotTopic other = topic;
  other.lineage = {1, 6};
  EXPECT_FALSE(p.Reply(kC, BallotRefusal{other, BallotRefusal::Reason::kLineage, {}}).ended);
  other.lineage = {2, 1};
  const auto ended = p.Reply(kC, BallotRefusal{other, BallotRefusal::Reason::kLineage, {}});
  ASSERT_TRUE(ended.ended.has_value());
  EXPECT_THAT(ended.ended->error().message, HasSubstr("another history"));
  const auto failed = p.Start([](const Layout&) -> Result<std::optional<Layout>> {
    return Fail(ErrorCode::kInvalidArgument, "no such node");
  });
  EXPECT_EQ(failed.ended->error().message, "no such node");
}

}  // namespace
}  // namespace gyre
