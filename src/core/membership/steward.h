// What one node does about the layout (ring/layout.h): it votes, has changes decided, takes over
// what was decided and tells it on, and sees to it that moves end.
// docs/adr/0008-moving-partitions.md.
//
//   Steward (what is to be decided, when)  LayoutProposer, LayoutAcceptor (how it is decided)
//
// One per node, sans I/O, driven by whoever owns the node's links, on one thread. What it wants
// stored is stored in the order asked, and told it by OnStored; until then nothing that rests on it
// leaves. Any message may be lost: what matters is told again each period.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "core/features.h"
#include "core/membership/layout_ballot.h"
#include "core/ring/claim.h"

namespace gyre {

// What an operator wants of the members, in one plan.
struct ClusterChange {
  MemberChanges members;
  // Of those that leave or are replaced: dead, so that nobody waits for what they hold.
  std::vector<NodeId> removed;
  // Partitions are split in two if there are fewer than 2^partition_bits; alone, without other
  // changes.
  int partition_bits = 0;
};
// `newest` after the change, or nothing if it is as wanted already. What is no member, or is one
// already, as wanted, is left out: so a plan can be made anew on what others have decided
// meanwhile. Errors: as of ChangeRing.
Result<std::optional<Layout>> LayoutAfter(const Layout& newest, const ClusterChange& change);

// The lowest protocol version that can read it: nodes of older ones are not to be talked to.
std::uint16_t VersionNeededBy(const Layout& layout);

struct StewardConfig {
  LayoutProposerConfig proposer;
  Duration period = Duration::Millis(500);       // of telling, and of looking what may settle
  std::size_t orders_max = 64;                   // of operators, waiting
  std::uint16_t version_max = kProtocolVersion;  // this node's own
};

class Steward {
 public:
  struct Send {
    NodeId to;
    std::string body;  // of a NodeMessage with Topic::kLayout
  };
  // The end of what an operator ordered. Errors: as of LayoutProposer.
  struct Answer {
    std::uint64_t order = 0;
    Status status;
  };
  struct Output {
    std::vector<Send> sends;
    // To be stored, each over what was stored under the same name before, in this order; then
    // OnStored for each.
    struct Store {
      enum class What : std::uint8_t { kLayout, kVote };
      What what = What::kLayout;
      std::string bytes;
    };
    std::vector<Store> stores;
    // Durable here now: the node goes by it from here on.
    std::shared_ptr<const Layout> adopted;
    std::vector<Answer> answers;
  };

  // `layout` and `vote` are what was stored last.
  Steward(const StewardConfig& config, NodeId self, Layout layout,
          std::optional<AcceptorState> vote);

  const Layout& layout() const { return acceptor_.decided(); }
  // What moves, as far as members have told this node.
  std::size_t arrivals_known() const { return arrived_.size(); }

  // A body that came with Topic::kLayout. What does not decode is ignored.
  void OnMessage(NodeId from, std::string_view body, Instant now, Prng& prng, Output& out);
  // One from who is no peer: it may ask for the layout, and tell of its own.
  void OnGuestMessage(NodeId from, std::string_view body, Output& out);
  void OnStored(Instant now, Prng& prng, Output& out);
  void OnTick(Instant now, Prng& prng, Output& out);
  Instant NextWake() const;
  // Who can be reached; this node itself is.
  void OnPeerUp(NodeId peer, Output& out);
  void OnPeerDown(NodeId peer) { up_.erase(peer); }
  // Gossip: this node has a later layout, or an earlier one.
  void AskForLayout(NodeId from, Output& out);
  void TellLayout(NodeId to, Output& out);

  // What this node has to tell of itself: partitions that have arrived here, and whether it holds
  // nothing (no row of others, no hint) and may be let go if it leaves.
  void SetOwn(std::vector<std::pair<PartitionId, RingEpoch>> arrivals, bool holds_nothing) {
    own_arrivals_ = std::move(arrivals);
    holds_nothing_ = holds_nothing;
  }
  // The highest version that each node speaks, as far as is known, also of those that are down. Who
  // is not among them counts as of the oldest.
  void SetVersions(std::map<NodeId, std::uint16_t> versions) { versions_ = std::move(versions); }
  std::uint16_t VersionOf(NodeId node) const;
  // The lowest of all members'.
  std::uint16_t ClusterVersion() const;
  // LayoutAfter, unless what comes out could not be read by some member.
  // Errors: also kUnsupported, which names them.
  Result<std::optional<Layout>> After(const Layout& newest, const ClusterChange& change) const;

  // False: too many wait.
  bool Order(std::uint64_t order, ClusterChange change, Instant now, Prng& prng, Output& out);

 private:
  struct Pending {
    std::uint64_t order = 0;
    ClusterChange change;
  };
  struct Wanted {
    Output::Store::What what;
    std::uint64_t ticket = 0;      // of a vote
    std::optional<Layout> layout;  // of a layout
  };

  void Hear(NodeId from, std::string_view body);
  void Take(Layout layout, Output& out);
  void FromAcceptor(LayoutAcceptor::Output& votes, Output& out);
  void FromProposer(LayoutProposer::Output& proposal, Instant now, Prng& prng, Output& out);
  void BeginNext(Instant now, Prng& prng, Output& out);
  void Tell(Output& out);
  std::vector<NodeId> Settlers() const;
  Result<std::optional<Layout>> Settled(const Layout& newest) const;
  std::string OwnNews() const;
  void SendAway(NodeId to, std::string body, Instant now, Prng& prng, Output& out);

  const StewardConfig config_;
  const NodeId self_;
  LayoutAcceptor acceptor_;
  LayoutProposer proposer_;
  std::set<NodeId> up_;
  std::deque<Wanted> wanted_;    // asked to be stored, in order
  std::optional<Layout> taken_;  // newest of those, if newer than layout()
  std::deque<Pending> orders_;   // the first is being carried out if in_order_
  bool in_order_ = false;
  std::vector<std::pair<PartitionId, RingEpoch>> own_arrivals_;
  bool holds_nothing_ = false;
  // As told, of this layout's epochs.
  std::set<std::tuple<PartitionId, RingEpoch, NodeId>> arrived_;
  std::map<NodeId, RingEpoch> empty_since_;  // said with a layout of this number
  std::map<NodeId, std::uint16_t> versions_;
  Instant next_look_{INT64_MIN};
};

}  // namespace gyre
