#include "server/member_gossip.h"

#include <algorithm>
#include <utility>

#include "core/membership/member_book.h"
#include "core/membership/membership_codec.h"
#include "server/admin_json.h"

namespace gyre {
namespace {

constexpr char kBookName[] = "members";
constexpr Duration kStoreEvery = Duration::Seconds(1);
constexpr Duration kDialsAfter = Duration::Seconds(1);
// More than a life can go through before its book is stored.
constexpr std::uint64_t kIncarnationsNotStored = 1'000;

MembershipConfig ConfigOf() {
  MembershipConfig config;
  // Each sight of another layout is told: ClusterAlarms knows how long is too long.
  config.layout_split_after = Duration();
  return config;
}

// Above that of any life before. Without a record of one, by the clock, as others may have one.
std::uint64_t IncarnationOf(const std::vector<MemberNews>& book, NodeId self, WallTime now) {
  for (const MemberNews& record : book) {
    if (record.id == self) return record.incarnation + kIncarnationsNotStored;
  }
  return static_cast<std::uint64_t>(std::max<std::int64_t>(now.ms, 1));
}

}  // namespace

MemberGossip::MemberGossip(Options options)
    : options_(std::move(options)),
      self_(NodeIdOf(options_.config->node_name)),
      prng_(options_.seed),
      membership_(ConfigOf(),
                  {self_, IncarnationOf(options_.book, self_, now().wall), options_.self},
                  SeedsOf(options_)) {
  for (const MemberNews& record : options_.book) membership_.Restore(record, now().instant);
}

MemberGossip::~MemberGossip() { first().reactor().CancelTimer(timer_); }

// Whoever was heard of before is asked at its last address anyway, as a past member. The others'
// addresses may be in the config, or are as old as the layout.
std::vector<std::string> MemberGossip::SeedsOf(const Options& options) {
  std::vector<std::string> seeds;
  const auto add = [&](const std::string& address) {
    if (address.empty() || address == options.self->fields().peer_address) return;
    if (std::find(seeds.begin(), seeds.end(), address) == seeds.end()) seeds.push_back(address);
  };
  const auto in_book = [&](NodeId id) {
    return std::any_of(options.book.begin(), options.book.end(),
                       [&](const MemberNews& record) { return record.id == id; });
  };
  for (const HostPort& seed : options.config->join) add(seed.ToString());
  for (const MemberConfig& member : options.config->members) {
    if (member.name != options.config->node_name) add(member.address.ToString());
  }
  options.loops.front()->view()->ForEachMember([&](const Member& member) {
    if (member.name != options.config->node_name && !in_book(member.id)) add(member.address);
  });
  return seeds;
}

void MemberGossip::Start(const Layout& layout) {
  layout_ = {layout.number().value, layout.Digest()};
  membership_.SetLayout(layout_);
  storing_ = true;
  stored_ = EncodeMemberBook(membership_.table());
  options_.writer->Store(kBookName, stored_, [this](const Status& stored) {
    storing_ = false;
    if (!stored) {
      // The others know of this life: the next one learns from them that it has to go past it.
      options_.log->Write(LogLevel::kWarning, "members_not_stored", stored.error().message, {});
    }
    started_ = true;
    last_store_ = last_drive_ = now().instant;
    dials_from_ = last_drive_ + kDialsAfter;
    first().reactor().AddTimer(dials_from_, [this] { DialLate(); });
    Turn([](Membership& membership, MembershipTurn& turn) { membership.Start(turn); });
    for (const NodeId peer : std::set(peers_)) OnPeerUp(peer);
  });
}

void MemberGossip::SetLayout(const Layout& layout, const std::vector<NodeId>& gone) {
  layout_ = {layout.number().value, layout.Digest()};
  membership_.SetLayout(layout_);
  for (const NodeId node : gone) {
    Turn([node](Membership& membership, MembershipTurn& turn) { membership.Remove(node, turn); });
  }
  const Member* const own = layout.FindMember(self_);
  MemberDescription fields = Find(self_)->description->fields();
  if (own == nullptr || own->weight == fields.weight) return;
  fields.weight = own->weight;
  Turn([&](Membership& membership, MembershipTurn& turn) {
    membership.UpdateSelf(SharedDescription::Make(std::move(fields)).value(), turn);
  });
}

// ---- turns -------------------------------------------------------------------------------------

template <typename Step>
void MemberGossip::Turn(Step step) {
  MembershipOutput out;
  MembershipTurn turn{now().instant, prng_, out};
  const std::uint64_t incarnation = membership_.incarnation();
  step(membership_, turn);
  changed_ = changed_ || membership_.incarnation() != incarnation;
  if (started_) {
    for (const MembershipSend& send : out.sends) Send(send);
  }
  // Each may begin a turn of its own: a link that is cut is a peer that is down.
  for (const MembershipEvent& event : out.events) On(event);
  StoreBook();
  Rearm();
}

void MemberGossip::Drive() {
  timer_ = 0;
  timer_due_ = Instant::Max();
  for (const NodeId node : first().links().HeardSince(last_drive_)) membership_.OnHeard(node);
  last_drive_ = now().instant;
  Turn([](Membership& membership, MembershipTurn& turn) { membership.OnTick(turn); });
}

void MemberGossip::Rearm() {
  const Instant wake = membership_.NextWake();
  if (!started_ || wake >= timer_due_) return;
  first().reactor().CancelTimer(timer_);
  timer_due_ = wake;
  timer_ = first().reactor().AddTimer(wake, [this] { Drive(); });
}

// Now and then: what is lost of the newest is heard again.
void MemberGossip::StoreBook() {
  if (!started_ || !changed_ || storing_ || now().instant - last_store_ < kStoreEvery) return;
  changed_ = false;
  last_store_ = now().instant;
  std::string book = EncodeMemberBook(membership_.table());
  if (book == stored_) return;
  storing_ = true;
  stored_ = book;
  options_.writer->Store(kBookName, std::move(book), [this](const Status& stored) {
    storing_ = false;
    if (stored) return;
    stored_.clear();
    options_.log->Write(LogLevel::kWarning, "members_not_stored", stored.error().message, {});
  });
}

void MemberGossip::Send(const MembershipSend& send) {
  const NodeMessage message{RequestId{}, NodeMessage::Topic::kMembers,
                            EncodeMembership(send.message)};
  // Two nodes may go by one name: who asked is answered where it asked.
  if (send.to != NodeId() && send.to == answering_ && first().SendToGuest(send.to, message)) return;
  if (peers_.contains(send.to) && first().SendToNode(send.to, message)) return;
  if (guests_.contains(send.to) && first().SendToGuest(send.to, message)) return;
  if (!std::holds_alternative<SyncBegin>(send.message)) return;
  const MemberTable::Entry* const entry = Find(send.to);
  const std::string& address =
      entry != nullptr ? entry->description->fields().peer_address : send.address;
  if (const auto guest = first().links().GuestAt(address)) {
    first().SendToGuest(*guest, message);
  } else {
    Dial(address);
  }
}

void MemberGossip::Dial(const std::string& address) {
  if (address.empty() || address == own_address()) return;
  if (now().instant < dials_from_) {
    early_dials_.insert(address);
  } else {
    first().links().ConnectGuest(address);  // OnGuestUp goes on
  }
}

// Most of them are peers', whose links are up by now.
void MemberGossip::DialLate() {
  for (const NodeId peer : peers_) {
    const MemberTable::Entry* const entry = Find(peer);
    if (entry != nullptr) early_dials_.erase(entry->description->fields().peer_address);
  }
  for (const std::string& address : std::exchange(early_dials_, {})) Dial(address);
}

// ---- what comes in -----------------------------------------------------------------------------

void MemberGossip::OnMessage(NodeId from, std::string_view body) {
  if (!started_) return;
  const Result<MembershipMessage> message = DecodeMembership(body);
  if (!message) return;  // of a later version, or nonsense
  Turn([&](Membership& membership, MembershipTurn& turn) {
    membership.OnMessage(from, *message, turn);
  });
}

void MemberGossip::OnGuestMessage(NodeId from, std::string_view body) {
  answering_ = from;
  OnMessage(from, body);
  answering_ = NodeId();
}

void MemberGossip::OnPeerUp(NodeId peer) {
  peers_.insert(peer);
  if (!started_) return;
  Turn([peer](Membership& membership, MembershipTurn& turn) { membership.OnReached(peer, turn); });
}

void MemberGossip::OnPeerDown(NodeId peer) {
  peers_.erase(peer);
  if (!started_) return;
  Turn([peer](Membership& membership, MembershipTurn& turn) {
    membership.OnCallFailed(peer, turn);
  });
}

// Whoever it is, and whoever dialed: one that only knocks does not listen.
void MemberGossip::OnGuestUp(NodeId guest) {
  guests_.insert(guest);
  if (!started_) return;
  answering_ = guest;
  Turn(
      [guest](Membership& membership, MembershipTurn& turn) { membership.OnReached(guest, turn); });
  answering_ = NodeId();
}

// Of other addresses than an operator's own, those who link with them tell.
void MemberGossip::OnGuestUnreachable(std::string_view address, std::string_view problem) {
  const std::vector<HostPort>& seeds = options_.config->join;
  if (std::none_of(seeds.begin(), seeds.end(),
                   [&](const HostPort& seed) { return seed.ToString() == address; })) {
    return;
  }
  std::string& last = seed_problems_[std::string(address)];
  if (last == problem) return;
  last = problem;
  options_.log->Write(LogLevel::kWarning, "seed_unreachable", problem, {{"address", address}});
}

// ---- what comes out ----------------------------------------------------------------------------

void MemberGossip::On(const MembershipEvent& event) {
  using Kind = MembershipEvent::Kind;
  const std::string name = NodeNameOf(*first().view(), event.node);
  switch (event.kind) {
    case Kind::kMember:
      changed_ = true;
      if (event.described) Follow(event.node);
      if (event.before != event.after) {
        options_.log->Write(LogLevel::kInfo, "member_life", "how a member fares, by gossip",
                            {{"node", name}, {"life", LifeName(event.after)}});
      }
      return;
    case Kind::kDoubleIdentity:
      return options_.notices->See(
          {.kind = AlarmKind::kDoubleIdentity,
           .subject = name,
           .node = name,
           .detail = "two nodes run as " + name + ", one of them last heard of at " +
                     Find(event.node)->description->fields().peer_address});
    case Kind::kLayoutBehind:
      TellOfOtherLayout(event.node, event.layout);
      return options_.on_layout_behind(event.node);
    case Kind::kLayoutAhead:
    case Kind::kLayoutSplit:
      return TellOfOtherLayout(event.node, event.layout);
    case Kind::kSelfLeft:
      if (first().view()->FindMember(self_) == nullptr) return;
      // A member all the same: it was one before, under an incarnation that its clock has not
      // reached, or hears of a layout that it does not have yet.
      return Turn([this](Membership& membership, MembershipTurn& turn) {
        membership.UpdateSelf(membership.table().Find(self_)->description, turn);
      });
  }
}

void MemberGossip::Follow(NodeId member) {
  const std::string address = Find(member)->description->fields().peer_address;
  if (member == self_ || address.empty()) return;
  for (ShardLoop* loop : options_.loops) {
    const auto change = [loop, member, address] { loop->links().SetAddress(member, address); };
    loop == &first() ? change() : loop->reactor().Post(change);
  }
}

void MemberGossip::TellOfOtherLayout(NodeId node, LayoutVersion theirs) {
  const auto text = [](LayoutVersion version) {
    return std::to_string(version.number) + " (" + std::to_string(version.digest) + ")";
  };
  const std::string name = NodeNameOf(*first().view(), node);
  options_.notices->See({.kind = AlarmKind::kOtherLayout,
                         .subject = text(theirs),
                         .node = name,
                         .detail = "node " + name + " stays with layout " + text(theirs) +
                                   " beside this node's " + text(layout_)});
}

// ---- what is known -----------------------------------------------------------------------------

std::string MemberGossip::AddressOf(const Member& member) const {
  const MemberTable::Entry* const entry = Find(member.id);
  if (entry == nullptr) return member.address;
  const std::string& address = entry->description->fields().peer_address;
  return address.empty() ? member.address : address;
}

void MemberGossip::AddTo(NodeStats& stats) const {
  first().view()->ForEachMember([&](const Member& member) {
    const MemberTable::Entry* const entry = Find(member.id);
    if (entry == nullptr) return;
    ++stats.members[static_cast<std::size_t>(entry->life)];
  });
}

}  // namespace gyre
