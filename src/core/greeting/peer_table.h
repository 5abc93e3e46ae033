// Who the peers are, as this shard knows them by their greetings: which life of each it has met.
// A partition is served by one shard of each node, and nodes may differ in how many they have: so a
// shard has something in common with one or more shards of every other node, and meets each.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <numeric>

#include "core/features.h"
#include "core/ids.h"

namespace gyre {

class PeerTable {
 public:
  // One shard of a peer.
  struct Contact {
    std::uint64_t run = 0;  // its life; 0: not heard of yet
    bool told = false;      // its numbers have come
    bool taken = false;     // they have been taken over, durably
    bool taken_by_it = false;
    bool unfilled = false;  // it has yet to fill up, or the cluster is new, as it said last

    bool done() const { return taken && taken_by_it; }
  };
  struct Peer {
    LinkTerms terms;
    std::map<ShardId, Contact> contacts;  // those with partitions in common with this shard

    // Have the numbers of each been taken over: for every partition of this shard?
    bool taken() const {
      for (const auto& [shard, contact] : contacts) {
        if (!contact.taken) return false;
      }
      return true;
    }
    bool met() const {
      for (const auto& [shard, contact] : contacts) {
        if (!contact.done()) return false;
      }
      return true;
    }
  };

  // The link came up: nothing more is known of the peer. REQUIRES: shard counts are not 0.
  void Link(NodeId node, const LinkTerms& terms, ShardId self, std::uint16_t self_count) {
    const std::uint16_t shard_count = terms.shard_count;
    Peer& peer = peers_[node];
    peer = {terms, {}};
    const std::uint16_t step = std::gcd(shard_count, self_count);
    for (std::uint16_t s = self.value % step; s < shard_count;
         s = static_cast<std::uint16_t>(s + step)) {
      peer.contacts.try_emplace(ShardId(s));
    }
  }
  void Unlink(NodeId node) { peers_.erase(node); }

  // May it be sent what this feature brought?
  bool Speaks(NodeId node, Feature feature) const {
    const auto peer = peers_.find(node);
    return peer != peers_.end() && peer->second.terms.version >= FirstVersionOf(feature);
  }

  // Null if the node is not linked, or that shard has nothing in common with this one.
  Contact* Find(NodeId node, ShardId shard) {
    const auto peer = peers_.find(node);
    if (peer == peers_.end()) return nullptr;
    const auto contact = peer->second.contacts.find(shard);
    return contact == peer->second.contacts.end() ? nullptr : &contact->second;
  }
  bool HasMet(NodeId node) const {
    const auto peer = peers_.find(node);
    return peer != peers_.end() && peer->second.met();
  }
  // Did any of its shards say so last?
  bool IsUnfilled(NodeId node) const {
    const auto peer = peers_.find(node);
    return peer != peers_.end() &&
           std::any_of(peer->second.contacts.begin(), peer->second.contacts.end(),
                       [](const auto& contact) { return contact.second.unfilled; });
  }
  bool HasTakenOver(NodeId node) const {
    const auto peer = peers_.find(node);
    return peer != peers_.end() && peer->second.taken();
  }
  // The life of the node's shard that serves the section; 0 if it has not been met.
  std::uint64_t RunOf(NodeId node, SectionId section) const {
    const auto peer = peers_.find(node);
    if (peer == peers_.end()) return 0;
    const ShardId shard(static_cast<std::uint16_t>(section.value % peer->second.terms.shard_count));
    const auto contact = peer->second.contacts.find(shard);
    return contact == peer->second.contacts.end() || !contact->second.done() ? 0
                                                                             : contact->second.run;
  }
  // Visits (node, shard, contact) of those that are not done.
  template <typename Visitor>
  void ForEachUndone(Visitor&& visit) const {
    for (const auto& [node, peer] : peers_) {
      for (const auto& [shard, contact] : peer.contacts) {
        if (!contact.done()) visit(node, shard);
      }
    }
  }

 private:
  std::map<NodeId, Peer> peers_;
};

}  // namespace gyre
