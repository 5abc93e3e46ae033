#include "net/peer_links.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "net/frame_reader.h"
#include "net/peer_link.h"

namespace gyre {
namespace {

// A larger frame gets a block of its own, which all links share, instead of a copy within each
// buffer, which would move it each time that it grows.
constexpr std::size_t kOwnBlockBytesMin = 256 * 1024;
constexpr std::size_t kBusyLinkBytes = 1024 * 1024;  // of output buffer, kept while it is busy
constexpr Duration kStrangerLineInterval = Duration::Seconds(1);

}  // namespace

PeerLinks::PeerLinks(Reactor& reactor, PeerLinksOwner& owner, Log& log, PeerLinksOptions options)
    : reactor_(reactor),
      owner_(owner),
      log_(log),
      options_(std::move(options)),
      keepalive_(KeepaliveFrame(options_.shard)),
      tick_interval_{std::max<std::int64_t>(1, options_.ping_interval.us / 2)},
      prng_(options_.seed),
      resolver_(reactor),
      version_min_(options_.versions.min),
      last_tick_(reactor.now().instant),
      alive_(std::make_shared<bool>(true)) {
  GYRE_CHECK(options_.shard_count > 0 && options_.shard.value < options_.shard_count);
  for (const PeerAddress& config : options_.peers) Insert(config);
  reactor_.AddTurnEndHook([this, alive = std::weak_ptr<bool>(alive_)](Now) {
    if (alive.expired() || congested_count_ == 0) return;
    for (PeerLink* link : links_) {
      if (HasDrained(*link)) return UpdatePeersSoon();
    }
  });
}

PeerLinks::~PeerLinks() {
  reactor_.CancelTimer(tick_timer_);
  for (const auto& peer : peers_) {
    for (const LinkSlot& slot : peer->slots) reactor_.CancelTimer(slot.redial_timer);
  }
  for (PeerLink* link : links_) {
    link->Orphan();
    reactor_.Abort(link->connection, "this node is stopping");
  }
}

Result<SocketAddress> PeerLinks::Listen(const SocketAddress& address, bool reuse_port) {
  ListenOptions listen;
  listen.address = address;
  listen.reuse_port = reuse_port;
  listen.connections_max = options_.connections_max;
  listen.limits = LimitsOfLinks();
  return reactor_.Listen(
      listen, [accept = AcceptFactory(), security = options_.security](Connection& connection) {
        ListenForTls(security, connection);
        return accept(connection);
      });
}

void PeerLinks::Start() {
  started_ = true;
  for (const auto& peer : peers_) {
    if (peer->we_dial) DialMissing(*peer);
  }
  Tick();
}

LinkSlot* PeerLinks::FindSlot(Peer& peer, std::uint16_t index) {
  for (LinkSlot& slot : peer.slots) {
    if (slot.index == index) return &slot;
  }
  return nullptr;
}

LinkSlot& PeerLinks::SlotOf(Peer& peer, std::uint16_t index) {
  if (LinkSlot* const slot = FindSlot(peer, index)) return *slot;
  peer.slots.push_back(
      {.index = index, .backoff = Backoff(options_.reconnect_first, options_.reconnect_last)});
  return peer.slots.back();
}

Handshake PeerLinks::OwnHandshake(std::uint16_t index) const {
  Handshake handshake;
  handshake.version_min = version_min_;
  handshake.version_max = options_.versions.max;
  handshake.cluster = options_.cluster;
  handshake.node = options_.self_name;
  handshake.node_id = options_.self;
  handshake.shard_count = options_.shard_count;
  handshake.link_index = index;
  handshake.ring_digest = options_.ring_digest;
  return handshake;
}

// No pausing of input while output waits: two peers that both did so would wait for each other.
// The queue is bounded in Send instead.
ConnectionLimits PeerLinks::LimitsOfLinks() const {
  ConnectionLimits limits;
  limits.output_bytes_pause = SIZE_MAX;
  limits.output_bytes_max = SIZE_MAX;
  limits.output_bytes_kept = kBusyLinkBytes;
  limits.input_bytes_max = kFrameHeaderBytes + kFrameBodyBytesMax;
  return limits;
}

ConnectionFactory PeerLinks::AcceptFactory() {
  return [this, alive = std::weak_ptr<bool>(alive_)](
             Connection& connection) -> std::unique_ptr<ConnectionHandler> {
    if (alive.expired()) return nullptr;
    auto link = std::make_unique<PeerLink>(*this, connection, /*dialed=*/false, now());
    links_.push_back(link.get());
    return link;
  };
}

// Dialing.

void PeerLinks::DialMissing(Peer& peer) {
  const int count = std::max<int>(options_.shard_count, peer.shard_count);
  for (int index = options_.shard.value; index < count; index += options_.shard_count) {
    LinkSlot& slot = SlotOf(peer, static_cast<std::uint16_t>(index));
    if (slot.link == nullptr && slot.redial_timer == 0 && slot.lookup == 0) Dial(peer, slot);
  }
}

void PeerLinks::Dial(Peer& peer, LinkSlot& slot) {
  if (const Result<SocketAddress> literal = SocketAddress::Parse(peer.config.address)) {
    return DialAddress(peer, slot.index, literal);
  }
  slot.lookup = ++last_lookup_;  // again for each attempt: a node may come back at another address
  resolver_.Resolve(
      peer.config.address, [this, id = peer.config.id, index = slot.index,
                            lookup = slot.lookup](const Result<SocketAddress>& address) {
        Peer* const asked_for = Find(id);
        LinkSlot* const waiting = asked_for != nullptr ? FindSlot(*asked_for, index) : nullptr;
        if (waiting == nullptr || waiting->lookup != lookup) return;  // removed, or moved since
        waiting->lookup = 0;
        DialAddress(*asked_for, index, address);
      });
}

void PeerLinks::DialAddress(Peer& peer, std::uint16_t index, const Result<SocketAddress>& address) {
  LinkSlot& slot = SlotOf(peer, index);
  if (!address) return OnDialFailed(peer, slot, address.error().message);
  reactor_.Dial(*address, LimitsOfLinks(), [&](Connection& connection) {
    auto link = std::make_unique<PeerLink>(*this, connection, /*dialed=*/true, now());
    link->peer = &peer;
    link->index = index;
    if (WantsTls(peer) && !std::exchange(slot.plain_next, false)) Encrypt(*link);
    link->Send(EncodeHandshake(OwnHandshake(index)), now());
    links_.push_back(link.get());
    slot.link = link.get();
    return link;
  });
}

void PeerLinks::OnDialFailed(Peer& peer, LinkSlot& slot, const std::string& problem) {
  NoteProblem(peer, "peer_unreachable", problem);
  ScheduleDial(peer, slot);
}

void PeerLinks::ScheduleDial(Peer& peer, LinkSlot& slot) {
  // The peer may have come back with fewer shards than it had.
  if (slot.index >= std::max(options_.shard_count, peer.shard_count)) return;
  slot.redial_timer =
      reactor_.AddTimer(now() + slot.backoff.Next(prng_), [this, &peer, index = slot.index] {
        LinkSlot& due = SlotOf(peer, index);
        due.redial_timer = 0;
        Dial(peer, due);
      });
}

// Links that are up.

std::size_t PeerLinks::Send(std::span<const NodeId> to, const Envelope& envelope) {
  const std::size_t size = FrameBytes(envelope);
  std::string_view frame;  // in the output of the first link, or in scratch_
  Bytes large_frame;
  std::size_t taken = 0;
  for (const NodeId node : to) {
    Peer* const peer = Find(node);
    if (peer == nullptr) continue;
    PeerLink* const link = Pick(*peer, envelope.to_shard);
    if (link == nullptr) {
      ++peer->stats.frames_dropped;
      continue;
    }
    if (size >= kOwnBlockBytesMin) {
      if (large_frame.empty()) {
        large_frame = Bytes::Build(size, [&](char* out) { EncodeFrame(envelope, size, out); });
      }
      link->Send(large_frame, now());
    } else if (!frame.empty()) {
      link->Send(frame, now());
    } else if (link->compresses()) {
      scratch_.resize(size);
      EncodeFrame(envelope, size, scratch_.data());
      frame = scratch_;
      link->Send(frame, now());
    } else {
      char* const room = link->Grow(size, now());
      EncodeFrame(envelope, size, room);
      frame = {room, size};
    }
    ++taken;
    NoteSent(*peer, *link);
  }
  return taken;
}

void PeerLinks::NoteSent(Peer& peer, PeerLink& link) {
  ++peer.stats.frames_sent;
  if (link.compresses()) {
    const LinkCompressor::Counts counts = link.TakeCompressionCounts();
    peer.stats.bytes_before_compression += counts.bytes_before;
    peer.stats.bytes_after_compression += counts.bytes_after;
  }
  if (link.queued_bytes() <= options_.queue_bytes_max) return;
  link.congested = true;
  ++congested_count_;
  ++peer.stats.congestions;
  peer.down_reason = "congested";
  UpdatePeersSoon();
}

// A link that ends at the shard that asked, if there is one; else any.
PeerLink* PeerLinks::Pick(const Peer& peer, std::optional<ShardId> to_shard) const {
  PeerLink* any = nullptr;
  for (const LinkSlot& slot : peer.slots) {
    PeerLink* const link = slot.link;
    if (link == nullptr || link->state != PeerLink::State::kUp || link->congested) continue;
    if (!to_shard || peer.slots.size() == 1) return link;
    if (link->index % peer.shard_count == to_shard->value % peer.shard_count) return link;
    if (any == nullptr) any = link;
  }
  return any;
}

void PeerLinks::UpdatePeer(Peer& peer) {
  const bool up = Pick(peer, std::nullopt) != nullptr;
  if (up == peer.told_up) return;
  peer.told_up = up;
  if (up) {
    const std::uint16_t version = std::min(peer.version_max, options_.versions.max);
    owner_.OnPeerUp(peer.config.id, {peer.shard_count, version, peer.version_max});
  } else {
    const std::string reason = peer.down_reason;  // outlives the peer
    owner_.OnPeerDown(peer.config.id, reason);
  }
}

void PeerLinks::UpdatePeersSoon() {
  if (std::exchange(updating_soon_, true)) return;
  reactor_.Post([this, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired()) return;
    updating_soon_ = false;
    EaseCongestion();
    std::vector<NodeId> ids;  // the owner may add and remove peers on the way
    for (const auto& peer : peers_) ids.push_back(peer->config.id);
    for (const NodeId id : ids) {
      if (Peer* const peer = Find(id)) UpdatePeer(*peer);
    }
  });
}

bool PeerLinks::HasDrained(PeerLink& link) const {
  return link.congested && link.queued_bytes() <= options_.queue_bytes_resume;
}

void PeerLinks::EaseCongestion() {
  for (PeerLink* link : links_) {
    if (!HasDrained(*link)) continue;
    link->congested = false;
    --congested_count_;
  }
}

void PeerLinks::OnFrame(PeerLink& link, Envelope&& envelope) {
  if (link.state == PeerLink::State::kGuest) return OnGuestFrame(link, std::move(envelope));
  ++link.peer->stats.frames_received;
  owner_.OnFrame(link.peer->config.id, std::move(envelope));
}

void PeerLinks::OnUnknownFrame(PeerLink& link) {
  ++(link.state == PeerLink::State::kGuest ? guest_stats_.frames_unheard
                                           : link.peer->stats.frames_unknown);
}

void PeerLinks::OnBadFrame(PeerLink& link, const std::string& problem) {
  ++(link.state == PeerLink::State::kGuest ? guest_stats_.frames_bad : link.peer->stats.frames_bad);
  link.problem = "sent a bad frame: " + problem;
  reactor_.Abort(link.connection, link.problem);
}

void PeerLinks::OnLinkClosed(PeerLink& link) {
  Forget(link);
  std::string problem = link.problem;
  if (problem.empty()) problem = link.connection.close_reason();
  if (problem.empty()) {
    problem =
        link.carries_frames() ? "closed by the peer" : "closed by the peer instead of a handshake";
  }
  if (link.peer != nullptr) return OnPeerLinkClosed(link, problem);
  if (link.index == kGuestLink) return OnGuestLinkClosed(link, problem);
  if (link.state != PeerLink::State::kHandshake) return;
  const std::string_view reason = link.connection.close_reason();
  NoteStranger(link, reason.empty() ? "closed without a handshake" : std::string(reason));
}

void PeerLinks::OnPeerLinkClosed(PeerLink& link, const std::string& problem) {
  Peer& peer = *link.peer;
  LinkSlot& slot = SlotOf(peer, link.index);
  if (slot.link != &link) return;  // refused, or replaced
  slot.link = nullptr;
  slot.plain_next = DidNotSpeakTls(link);
  const bool was_up = link.state == PeerLink::State::kUp;
  const bool was_guest = link.state == PeerLink::State::kGuest;
  // Of a guest's link it is known already what is wrong with it.
  if (!was_guest) NoteProblem(peer, was_up ? "peer_link_down" : "peer_unreachable", problem);
  if (peer.we_dial) {
    // A link that is closed again at once does not earn a quick retry.
    if (link.carries_frames() && now() - link.started >= options_.reconnect_last) {
      slot.backoff.Reset();
    }
    ScheduleDial(peer, slot);
  }
  if (was_guest) return UpdateGuest(peer.config.id, problem);
  if (!was_up) return;
  peer.down_reason = problem;
  UpdatePeer(peer);
}

void PeerLinks::Forget(PeerLink& link) {
  if (std::exchange(link.congested, false)) --congested_count_;
  const auto found = std::find(links_.begin(), links_.end(), &link);
  if (found == links_.end()) return;
  *found = links_.back();
  links_.pop_back();
}

// Time.

void PeerLinks::Tick() {
  const Instant at = now();
  // If this process itself was stopped, what the peers sent meanwhile may still wait to be read.
  const bool stalled = at - last_tick_ > tick_interval_ + Duration{options_.link_timeout.us / 2};
  last_tick_ = at;
  for (PeerLink* link : links_) TickLink(*link, at, stalled);
  if (congested_count_ > 0) UpdatePeersSoon();
  tick_timer_ = reactor_.AddTimer(at + tick_interval_, [this] { Tick(); });
}

void PeerLinks::TickLink(PeerLink& link, Instant at, bool stalled) {
  if (link.state == PeerLink::State::kHandshake) {
    if (at - link.started <= options_.handshake_timeout) return;
    link.problem = "no handshake in time";
    return reactor_.Abort(link.connection, link.problem);
  }
  if (!link.carries_frames()) return;
  if (link.state == PeerLink::State::kGuest && at - link.started > options_.guest_time_max) {
    link.problem = "a guest's time is over";
    return reactor_.Abort(link.connection, link.problem);
  }
  if (stalled) link.last_heard = at;
  if (at - link.last_heard > options_.link_timeout) {
    if (link.peer != nullptr) ++link.peer->stats.silences;
    link.problem = "silent for " + std::to_string((at - link.last_heard).ms()) + " ms";
    return reactor_.Abort(link.connection, link.problem);
  }
  if (at - link.last_sent >= options_.ping_interval && link.queued_bytes() == 0) {
    link.Send(keepalive_, at);
  }
}

void PeerLinks::NoteProblem(Peer& peer, std::string_view event, const std::string& problem) {
  if (peer.stats.last_problem == problem) return;
  peer.stats.last_problem = problem;
  log_.Write(LogLevel::kWarning, event, problem,
             {{"peer", peer.config.name}, {"address", peer.config.address}});
}

void PeerLinks::NoteStranger(const PeerLink& link, const std::string& problem) {
  ++strangers_refused_;
  if (now() < next_stranger_line_) return;
  next_stranger_line_ = now() + kStrangerLineInterval;
  log_.Write(LogLevel::kWarning, "stranger_refused", problem,
             {{"address", link.connection.peer_address()}});
}

std::vector<NodeId> PeerLinks::HeardSince(Instant since) const {
  std::vector<NodeId> heard;
  for (const PeerLink* link : links_) {
    if (!link->carries_frames() || link->last_heard < since) continue;
    heard.push_back(link->peer != nullptr ? link->peer->config.id : link->theirs.node_id);
  }
  return heard;
}

std::vector<LinkStats> PeerLinks::Stats() const {
  std::vector<LinkStats> all;
  for (const auto& peer : peers_) {
    LinkStats stats = peer->stats;
    stats.id = peer->config.id;
    stats.name = peer->config.name;
    stats.address = peer->config.address;
    stats.up = peer->told_up;
    for (const LinkSlot& slot : peer->slots) {
      if (slot.link == nullptr || slot.link->state != PeerLink::State::kUp) continue;
      ++stats.links;
      if (slot.link->encrypted()) ++stats.encrypted;
      if (slot.link->compresses()) ++stats.compressed;
      stats.queued_bytes += slot.link->queued_bytes();
    }
    all.push_back(std::move(stats));
  }
  return all;
}

}  // namespace gyre
