// Drives the node's Membership (core/membership: where the members are and how they fare) on its
// first shard's loop. docs/adr/0009-membership-gossip.md.
//
// Messages go over a peer's link, or a guest's where there is none; without either they are as good
// as lost, but for the first of a synchronisation, which is worth a dial: so halves of a cluster
// that know nothing but old addresses of each other find together through any seed. What is heard
// of addresses all links follow, and the disk keeps (core/membership/member_book.h).
//
// Who is a member the layout alone says: a record of anybody else changes no link. What it says of
// lives is shown, and routes nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/prng.h"
#include "core/membership/membership.h"
#include "core/ring/layout.h"
#include "server/config.h"
#include "server/folder_writer.h"
#include "server/notices.h"
#include "server/shard_loop.h"

namespace gyre {

class MemberGossip {
 public:
  struct Options {
    const ServerConfig* config = nullptr;
    Log* log = nullptr;
    std::vector<ShardLoop*>
        loops;  // all, in order; they outlive this, and so do writer and notices
    FolderWriter* writer = nullptr;
    Notices* notices = nullptr;
    DescriptionPtr self;           // where this node listens
    std::vector<MemberNews> book;  // as stored last
    std::uint64_t seed = 0;
    // That node has a later layout than this one.
    std::function<void(NodeId)> on_layout_behind;
  };
  explicit MemberGossip(Options options);
  ~MemberGossip();
  MemberGossip(const MemberGossip&) = delete;
  MemberGossip& operator=(const MemberGossip&) = delete;

  // Before the loops run. Nothing is told before the new incarnation is stored.
  void Start(const Layout& layout);
  // All members that are in it no more, but were, are `gone`. On the first loop, as all that
  // follows.
  void SetLayout(const Layout& layout, const std::vector<NodeId>& gone);

  void OnMessage(NodeId from, std::string_view body);
  void OnPeerUp(NodeId peer);
  void OnPeerDown(NodeId peer);
  void OnGuestUp(NodeId guest);
  void OnGuestDown(NodeId guest) { guests_.erase(guest); }
  void OnGuestMessage(NodeId from, std::string_view body);
  void OnGuestUnreachable(std::string_view address, std::string_view problem);

  // Null: nothing was ever heard of it. Valid until the next call.
  const MemberTable::Entry* Find(NodeId id) const { return membership_.table().Find(id); }
  // The peer port of a member of the layout, as known last.
  std::string AddressOf(const Member& member) const;
  // How the members fare.
  void AddTo(NodeStats& stats) const;

 private:
  const std::string& own_address() const { return options_.self->fields().peer_address; }
  ShardLoop& first() const { return *options_.loops.front(); }
  Now now() const { return first().now(); }
  static std::vector<std::string> SeedsOf(const Options& options);
  template <typename Step>
  void Turn(Step step);
  void Drive();
  void Rearm();
  void StoreBook();
  void Send(const MembershipSend& send);
  void Dial(const std::string& address);
  void DialLate();
  void On(const MembershipEvent& event);
  void Follow(NodeId member);
  void TellOfOtherLayout(NodeId node, LayoutVersion theirs);

  const Options options_;
  const NodeId self_;
  Prng prng_;
  Membership membership_;
  LayoutVersion layout_;
  bool started_ = false;
  Instant dials_from_;  // until then peers link by themselves
  std::set<std::string> early_dials_;
  std::set<NodeId> peers_, guests_;  // with a link to the first shard
  NodeId answering_;                 // a guest, whose message is being taken
  std::map<std::string, std::string, std::less<>> seed_problems_;
  TimerId timer_ = 0;
  Instant timer_due_ = Instant::Max();
  Instant last_drive_;
  std::string stored_;
  bool changed_ = false;  // since it was stored
  bool storing_ = false;
  Instant last_store_;
};

}  // namespace gyre
