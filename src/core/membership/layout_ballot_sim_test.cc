// Acceptors and proposers of several nodes in a world of chance: messages are lost, doubled and
// late, nodes crash and keep only what was stored, several propose at once, and members come and go
// from layout to layout. No number may have two layouts; and once the world is good, proposals end.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <queue>
#include <set>

#include "core/membership/layout_ballot.h"
#include "core/ring/claim.h"

namespace gyre {
namespace {

constexpr std::uint32_t kNodes = 9;       // of whom some are members
constexpr std::uint32_t kMembersMin = 3;  // and at most kMembersMax
constexpr std::uint32_t kMembersMax = 7;
constexpr Duration kChaos = Duration::Seconds(20);
constexpr Duration kTick = Duration::Millis(20);
constexpr LayoutProposerConfig kConfig = {.answer_wait = Duration::Millis(400),
                                          .backoff_min = Duration::Millis(50),
                                          .backoff_max = Duration::Millis(800),
                                          .give_up = Duration::Seconds(8)};

struct WorldRules {
  // What is stored of votes is lost in a crash: the weaker rule that must break.
  bool forgets_votes = false;
};

Member MakeMember(NodeId id) { return {.id = id, .name = "n" + std::to_string(id.value)}; }

// One change of members that makes `node` a member, or removes it; the others' layouts count.
Result<std::optional<Layout>> Toggle(const Layout& newest, NodeId node, bool to_member) {
  const bool is_member = newest.ring().FindMember(node) != nullptr;
  const std::size_t members = newest.ring().members().size();
  if (is_member == to_member) return std::nullopt;
  if (to_member ? members >= kMembersMax : members <= kMembersMin) return std::nullopt;
  MemberChanges changes;
  std::vector<NodeId> removed;
  if (to_member) {
    changes.joins = {MakeMember(node)};
  } else {
    changes.leaves = {node};
    removed = {node};
  }
  const Result<Ring> ring = ChangeRing(newest.ring(), changes, newest.replicas());
  if (!ring) return Fail(ring.error());
  Result<Layout> next = newest.ChangeTo(*ring, removed);
  if (!next) return Fail(next.error());
  return *std::move(next);
}

class World {
 public:
  World(std::uint64_t seed, WorldRules rules) : rules_(rules), prng_(seed) {
    std::vector<Member> members;
    const auto count = static_cast<std::uint32_t>(prng_.Between(kMembersMin, kMembersMax));
    for (std::uint32_t id = 1; id <= count; ++id) members.push_back(MakeMember(NodeId(id)));
    const Layout first = Layout::Found(
        {1, seed}, *FoundRing(RingEpoch(1), members, {.partition_bits = 4, .replicas = 3}), 3);
    Note(first);
    nodes_.resize(kNodes + 1);
    for (std::uint32_t id = 1; id <= kNodes; ++id) {
      nodes_[id].layout_on_disk = first.Encode();
      StartNode(id);
    }
  }

  void RunChaos() {
    good_ = false;
    while (now_ < Instant{} + kChaos) {
      Step();
      const auto id = static_cast<std::uint32_t>(prng_.Between(1, kNodes));
      if (prng_.Chance(120'000)) Crash(id);
      if (prng_.Chance(300'000)) StartNode(id);
      if (prng_.Chance(200'000)) Propose(id, Anyone(), prng_.Chance(500'000));
      if (prng_.Chance(100'000)) Tell(id, Anyone().value);
      if (prng_.Chance(20'000)) cut_ = static_cast<std::uint32_t>(prng_.Between(0, 511));
    }
  }

  // All is well: a proposal of each node ends well. False if one does not.
  bool RunGood() {
    good_ = true;
    for (std::uint32_t id = 1; id <= kNodes; ++id) StartNode(id);
    for (const Instant end = now_ + kConfig.give_up + Duration::Seconds(1); now_ < end;) Step();
    for (int i = 0; i < 3; ++i) {
      failures_ = 0;
      for (std::uint32_t id = 1; id <= kNodes; ++id) Propose(id, Anyone(), prng_.Chance(500'000));
      for (const Instant end = now_ + Duration::Seconds(60); now_ < end && Busy();) Step();
      if (Busy() || failures_ > 3) return false;
    }
    return true;
  }

  // Numbers of which two layouts were decided.
  std::size_t conflicts() const { return conflicts_.size(); }
  std::size_t decided() const { return decided_.size(); }

 private:
  struct Node {
    // What outlasts a crash.
    std::string layout_on_disk;
    std::string votes_on_disk;
    // What does not.
    std::uint64_t life = 0;
    Instant disk_free;
    std::unique_ptr<LayoutAcceptor> acceptor;  // null: is down
    std::unique_ptr<LayoutProposer> proposer;
  };
  struct Event {
    Instant at;
    std::uint64_t order = 0;
    NodeId from;
    std::uint32_t to = 0;
    std::string bytes;         // a message, or what is to be stored
    std::uint64_t ticket = 0;  // not 0: the latter
    std::uint64_t life = 0;
    bool operator>(const Event& other) const {
      return std::pair(at, order) > std::pair(other.at, other.order);
    }
  };

  NodeId Anyone() { return NodeId(static_cast<std::uint32_t>(prng_.Between(1, kNodes))); }
  bool Busy() const {
    return std::any_of(nodes_.begin() + 1, nodes_.end(), [](const Node& node) {
      return node.proposer != nullptr && node.proposer->busy();
    });
  }

  void StartNode(std::uint32_t id) {
    Node& node = nodes_[id];
    if (node.acceptor != nullptr) return;
    ++node.life;
    node.disk_free = now_;
    const Layout layout = *Layout::Decode(node.layout_on_disk);
    std::optional<AcceptorState> votes;
    if (!node.votes_on_disk.empty()) votes = *DecodeAcceptorState(node.votes_on_disk);
    node.acceptor = std::make_unique<LayoutAcceptor>(layout, votes);
    node.proposer = std::make_unique<LayoutProposer>(NodeId(id), layout, kConfig);
  }
  void Crash(std::uint32_t id) {
    nodes_[id].acceptor.reset();
    nodes_[id].proposer.reset();
    if (rules_.forgets_votes) nodes_[id].votes_on_disk.clear();
  }

  void Propose(std::uint32_t id, NodeId node, bool to_member) {
    LayoutProposer* const proposer = nodes_[id].proposer.get();
    if (proposer == nullptr || proposer->busy()) return;
    LayoutProposer::Output out;
    proposer->Start([=](const Layout& newest) { return Toggle(newest, node, to_member); }, now_,
                    prng_, out);
    Carry(id, out);
  }
  // Gossip.
  void Tell(std::uint32_t from, std::uint32_t to) {
    if (nodes_[from].acceptor == nullptr) return;
    Send(from, NodeId(to), BallotDecided{nodes_[from].acceptor->decided().Encode()});
  }

  void Step() {
    now_ = now_ + kTick;
    if (good_) Tell(Anyone().value, Anyone().value);
    while (!events_.empty() && events_.top().at <= now_) {
      const Event event = events_.top();
      events_.pop();
      Handle(event);
    }
    for (std::uint32_t id = 1; id <= kNodes; ++id) {
      if (nodes_[id].proposer == nullptr || nodes_[id].proposer->next_wake() > now_) continue;
      LayoutProposer::Output out;
      nodes_[id].proposer->OnTick(now_, prng_, out);
      Carry(id, out);
    }
  }

  void Handle(const Event& event) {
    Node& node = nodes_[event.to];
    if (node.acceptor == nullptr) return;
    if (event.ticket != 0) {
      if (event.life != node.life) return;
      node.votes_on_disk = event.bytes;
      Count(event.to, *DecodeAcceptorState(event.bytes));
      LayoutAcceptor::Output out;
      node.acceptor->OnStored(event.ticket, out);
      Carry(event.to, out);
      return;
    }
    const BallotMessage message = *DecodeBallot(event.bytes);
    LayoutAcceptor::Output vote;
    LayoutProposer::Output out;
    if (const auto* prepare = std::get_if<BallotPrepare>(&message)) {
      node.acceptor->OnPrepare(event.from, *prepare, vote);
    } else if (const auto* accept = std::get_if<BallotAccept>(&message)) {
      node.acceptor->OnAccept(event.from, *accept, vote);
    } else if (const auto* decided = std::get_if<BallotDecided>(&message)) {
      Adopt(event.to, *Layout::Decode(decided->bytes));
    } else {
      node.proposer->OnReply(event.from, message, now_, prng_, out);
    }
    Carry(event.to, vote);
    Carry(event.to, out);
  }

  // What a majority of the members before has stored in one ballot is decided, though nobody may
  // know it yet.
  void Count(std::uint32_t id, const AcceptorState& state) {
    const auto before = decided_.find(RingEpoch(state.number.value - 1));
    if (!state.accepted || before == decided_.end()) return;
    const std::vector<NodeId> members = before->second.MemberIds();
    std::set<NodeId>& votes = votes_[{state.number, state.accepted->ballot}];
    if (std::binary_search(members.begin(), members.end(), NodeId(id))) votes.insert(NodeId(id));
    if (2 * votes.size() > members.size()) Note(*Layout::Decode(state.accepted->bytes));
  }
  void Note(const Layout& layout) {
    const auto [known, first] = decided_.emplace(layout.number(), layout);
    if (!first && known->second.Digest() != layout.Digest()) conflicts_.insert(layout.number());
  }

  void Adopt(std::uint32_t id, const Layout& layout) {
    Note(layout);
    Node& node = nodes_[id];
    if (!layout.IsNewerThan(node.acceptor->decided())) return;
    node.layout_on_disk = layout.Encode();
    node.acceptor->OnDecided(layout);
    LayoutProposer::Output out;
    node.proposer->OnDecided(layout, now_, prng_, out);
    Carry(id, out);
  }

  void Carry(std::uint32_t id, const LayoutAcceptor::Output& out) {
    if (!out.store.empty()) {
      Node& node = nodes_[id];  // one write after another, and a crash may come first
      node.disk_free = std::max(node.disk_free, now_) + Duration::Micros(prng_.Between(1, 60'000));
      events_.push({node.disk_free, ++order_, NodeId(id), id, out.store, out.ticket, node.life});
    }
    for (const BallotSend& send : out.sends) Send(id, send.to, send.message);
  }
  void Carry(std::uint32_t id, const LayoutProposer::Output& out) {
    for (const BallotSend& send : out.sends) Send(id, send.to, send.message);
    if (out.ended && !out.ended->has_value()) ++failures_;
    if (out.decided) Adopt(id, *out.decided);
  }

  void Send(std::uint32_t from, NodeId to, const BallotMessage& message) {
    // Nodes are in two halves by the bits of cut_, which changes; half of what crosses is lost.
    const bool crosses = (((cut_ >> (from - 1)) ^ (cut_ >> (to.value - 1))) & 1) != 0;
    const int copies = prng_.Chance(100'000) ? 2 : 1;
    for (int copy = 0; copy < copies; ++copy) {
      if (!good_ && prng_.Chance(crosses ? 900'000 : 100'000)) continue;
      const bool late = !good_ && prng_.Chance(50'000);
      const Duration delay = Duration::Micros(prng_.Between(100, late ? 5'000'000 : 100'000));
      events_.push({now_ + delay, ++order_, NodeId(from), to.value, EncodeBallot(message)});
    }
  }

  const WorldRules rules_;
  Prng prng_;
  Instant now_;
  std::vector<Node> nodes_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::uint64_t order_ = 0;
  std::uint32_t cut_ = 0;
  bool good_ = false;
  std::size_t failures_ = 0;
  std::map<RingEpoch, Layout> decided_;
  std::map<std::pair<RingEpoch, LayoutBallot>, std::set<NodeId>> votes_;  // that were stored
  std::set<RingEpoch> conflicts_;
};

TEST(LayoutBallotSimTest, NoNumberHasTwoLayouts) {
  std::size_t decided = 0;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    World world(seed, {});
    world.RunChaos();
    EXPECT_EQ(world.conflicts(), 0u) << "seed " << seed;
    EXPECT_TRUE(world.RunGood()) << "seed " << seed;
    EXPECT_EQ(world.conflicts(), 0u) << "seed " << seed;
    decided += world.decided();
  }
  EXPECT_GT(decided, 1'500u);  // or the world was too bad to try anything
  std::printf("%zu layouts decided in 150 worlds\n", decided);
}

// Goal: the simulation finds what it looks for: votes that a crash makes forgotten.
TEST(LayoutBallotSimTest, VotesThatAreForgottenBreakIt) {
  std::size_t broken = 0;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    World world(seed, {.forgets_votes = true});
    world.RunChaos();
    broken += world.conflicts() > 0 ? 1 : 0;
  }
  EXPECT_GT(broken, 15u);
  std::printf("two layouts for one number in %zu of 150 worlds\n", broken);
}

}  // namespace
}  // namespace gyre
