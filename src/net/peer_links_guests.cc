// The part of PeerLinks that deals with guests: who may be one, and for how long.
//
// A link is a guest's if either side says so: the one that dials in its handshake, or the other in
// its answer. So both know it, and none takes the other for a peer that listens and does not.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "net/peer_link.h"
#include "net/peer_links.h"

namespace gyre {

bool PeerLinks::ComesAsGuest(const PeerLink& link, const Handshake& handshake) {
  if (link.dialed && link.index == kGuestLink) return true;  // this node asked to be one
  if (!options_.accept_stranger) return false;
  const Peer* const named = Find(handshake.node_id);
  if (link.dialed) {
    // Dialed for a peer: the other side does not count this node among its own.
    return handshake.link_index == kGuestLink && named == link.peer && link.index == 0;
  }
  // Of a node that takes itself for a peer only the first link: one is enough.
  return handshake.link_index == kGuestLink || (named == nullptr && handshake.link_index == 0);
}

// REQUIRES: ComesAsGuest, and this is the first shard.
std::optional<std::string> PeerLinks::GuestObjection(const PeerLink& link,
                                                     const Handshake& handshake) const {
  if (link.dialed && link.index == kGuestLink) {
    if (handshake.link_index == kGuestLink) return std::nullopt;
    return "it does not take this node for a guest; its log says why";
  }
  if (!options_.accept_stranger(handshake)) {
    if (link.dialed) return kTakenForAGuest;
    return "'" + handshake.node + "' is not let in as a guest";
  }
  if (link.dialed) return std::nullopt;
  const auto others = std::count_if(links_.begin(), links_.end(), [&](const PeerLink* other) {
    return other->state == PeerLink::State::kGuest && !other->dialed &&
           other->theirs.node_id != handshake.node_id;
  });
  if (static_cast<std::size_t>(others) < options_.guests_max) return std::nullopt;
  return "'" + handshake.node + "' is one guest too many: there are " + std::to_string(others);
}

void PeerLinks::EstablishGuest(PeerLink& link, const Handshake& handshake) {
  PeerLink* older = nullptr;
  if (!link.dialed) {
    // Only one that came too: were dialed ones replaced as well, two nodes that dial each other at
    // once would each close the other's.
    for (PeerLink* other : links_) {
      const bool guest = other->state == PeerLink::State::kGuest && !other->dialed;
      if (guest && other->theirs.node_id == handshake.node_id) older = other;
    }
    link.index = kGuestLink;
    link.Send(EncodeHandshake(OwnHandshake(kGuestLink)), now());
  } else if (link.peer != nullptr) {
    NoteProblem(*link.peer, "peer_refused", kTakenForAGuest);
  }
  link.theirs = handshake;
  link.state = PeerLink::State::kGuest;
  link.started = link.last_heard = now();
  ++guest_stats_.connects;
  log_.Write(LogLevel::kInfo, "guest_link_up", "a link with a guest is up",
             {{"guest", handshake.node}, {"address", link.connection.peer_address()}});
  if (older != nullptr) {
    constexpr std::string_view kReason = "replaced by a newer link";
    older->state = PeerLink::State::kLeaving;
    reactor_.Abort(older->connection, kReason);
    // What was on its way there is lost: the owner hears of it.
    if (std::erase(guests_told_, handshake.node_id) > 0) {
      owner_.OnGuestDown(handshake.node_id, kReason);
    }
  }
  UpdateGuest(handshake.node_id, {});
}

bool PeerLinks::ConnectGuest(const std::string& address) {
  GYRE_CHECK(options_.shard == kGuestShard);
  for (const DialedGuest& dialed : dialed_guests_) {
    if (dialed.address == address) return true;
  }
  if (dialed_guests_.size() >= options_.guests_max) return false;
  dialed_guests_.push_back({.address = address});
  if (const Result<SocketAddress> literal = SocketAddress::Parse(address)) {
    DialGuest(address, literal);
  } else {
    resolver_.Resolve(address, [this, address](const Result<SocketAddress>& resolved) {
      DialGuest(address, resolved);
    });
  }
  return true;
}

void PeerLinks::DialGuest(const std::string& address, const Result<SocketAddress>& resolved) {
  const auto dialed =
      std::find_if(dialed_guests_.begin(), dialed_guests_.end(),
                   [&](const DialedGuest& each) { return each.address == address; });
  GYRE_CHECK(dialed != dialed_guests_.end() && dialed->link == nullptr);
  if (!resolved) {
    dialed_guests_.erase(dialed);
    return owner_.OnGuestUnreachable(address, resolved.error().message);
  }
  const bool plain = std::erase(plain_guests_, address) > 0;
  reactor_.Dial(*resolved, LimitsOfLinks(), [&](Connection& connection) {
    auto link = std::make_unique<PeerLink>(*this, connection, /*dialed=*/true, now());
    link->index = kGuestLink;
    if (WantsTlsOfGuests() && !plain) Encrypt(*link);
    link->Send(EncodeHandshake(OwnHandshake(kGuestLink)), now());
    links_.push_back(link.get());
    dialed->link = link.get();
    return link;
  });
}

// It dialed for a peer's link, when it was none: now it is to get one.
void PeerLinks::DismissGuest(NodeId id) {
  for (PeerLink* link : links_) {
    if (link->state != PeerLink::State::kGuest || link->theirs.node_id != id) continue;
    if (link->dialed || link->theirs.link_index == kGuestLink) continue;
    link->state = PeerLink::State::kLeaving;
    link->connection.CloseAfterFlush();
  }
  UpdateGuest(id, "it is a peer now");
}

PeerLink* PeerLinks::GuestLinkOf(NodeId id) const {
  for (PeerLink* link : links_) {
    if (link->state == PeerLink::State::kGuest && link->theirs.node_id == id) return link;
  }
  return nullptr;
}

std::optional<NodeId> PeerLinks::GuestAt(const std::string& address) const {
  for (const DialedGuest& dialed : dialed_guests_) {
    if (dialed.address != address || dialed.link == nullptr) continue;
    if (dialed.link->state == PeerLink::State::kGuest) return dialed.link->theirs.node_id;
  }
  return std::nullopt;
}

bool PeerLinks::SendToGuest(NodeId to, const Envelope& envelope) {
  PeerLink* const link = GuestLinkOf(to);
  const std::size_t size = FrameBytes(envelope);
  if (link == nullptr || size > kFrameHeaderBytes + PeerLink::kGuestFrameBytesMax ||
      link->queued_bytes() + size > options_.guest_queue_bytes_max) {
    ++guest_stats_.frames_dropped;
    return false;
  }
  ++guest_stats_.frames_sent;
  EncodeFrame(envelope, size, link->Grow(size, now()));
  return true;
}

void PeerLinks::OnGuestFrame(PeerLink& link, Envelope&& envelope) {
  if (!options_.guest_may_say || !options_.guest_may_say(envelope.message)) {
    ++guest_stats_.frames_unheard;
    return;
  }
  ++guest_stats_.frames_received;
  owner_.OnGuestFrame(link.theirs.node_id, std::move(envelope));
}

void PeerLinks::OnGuestLinkClosed(PeerLink& link, const std::string& problem) {
  std::string address;
  const auto dialed = std::find_if(dialed_guests_.begin(), dialed_guests_.end(),
                                   [&](const DialedGuest& each) { return each.link == &link; });
  if (dialed != dialed_guests_.end()) {
    address = std::move(dialed->address);
    dialed_guests_.erase(dialed);
  }
  if (DidNotSpeakTls(link) && plain_guests_.size() < options_.guests_max) {
    plain_guests_.push_back(address);
  }
  if (link.state == PeerLink::State::kGuest) return UpdateGuest(link.theirs.node_id, problem);
  if (link.dialed) owner_.OnGuestUnreachable(address, problem);
}

void PeerLinks::UpdateGuest(NodeId id, std::string_view reason) {
  const PeerLink* const link = GuestLinkOf(id);
  const auto told = std::find(guests_told_.begin(), guests_told_.end(), id);
  if ((link != nullptr) == (told != guests_told_.end())) return;
  if (link != nullptr) {
    guests_told_.push_back(id);
    const std::string name = link->theirs.node;
    owner_.OnGuestUp(id, name);
  } else {
    guests_told_.erase(told);
    owner_.OnGuestDown(id, reason);
  }
}

GuestStats PeerLinks::guest_stats() const {
  GuestStats stats = guest_stats_;
  for (const PeerLink* link : links_) {
    if (link->state == PeerLink::State::kGuest) ++stats.links;
  }
  return stats;
}

}  // namespace gyre
