// All links of one shard to the other nodes: who dials whom, who may talk, who is heard.
//
// Of two nodes the one with the smaller NodeId dials. Links are numbered from 0 to max(T of one, T
// of the other) - 1, so that each shard of either node has at least one: link i belongs to shard
// i mod T on each side. A shard dials its own numbers; how many shards the other node has is learnt
// from its handshake. The side that accepts reads the handshake on whichever shard accepted, and
// hands the socket over to the shard that the link belongs to.
//
// A link that is silent for link_timeout is cut: a stopped process and a swallowed packet look
// alike, and neither resets the connection. So each side sends a keepalive when it has said
// nothing for ping_interval. A lost link is dialed again after a backoff.
//
// Peers come and go while the node runs: AddPeer, RemovePeer, SetAddress.
//
// Guests are nodes that one side does not count among its peers: one that wants to join, one that
// has joined or left unheard of, or a seed whose name is not known yet. If the owner lets it in, a
// guest has one link, with the first shard, for a limited time, on which only what guests may say
// is heard. It is told apart from a peer also where it is one too: a seed often is.
//
// Frames to a peer without a link, or with too much queued, are dropped and counted: for the core
// that is a lost message. Nothing here waits.
//
// On the loop's own thread, all of it. The owner is never called from within Send. On what it is
// told it may act at once, RemovePeer of that very peer included: to tell is the last thing that
// any step here does with a peer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/prng.h"
#include "base/time.h"
#include "core/ids.h"
#include "core/link_scope.h"
#include "core/wire/message_codec.h"
#include "net/backoff.h"
#include "net/reactor.h"
#include "net/resolver.h"
#include "net/tls_context.h"

namespace gyre {

class PeerLink;

struct PeerAddress {
  NodeId id;
  std::string name;
  std::string address;  // host:port of its peer port
  std::string region = {};
};

// Which links are encrypted, and how it is made sure who is at the other end.
struct LinkSecurity {
  std::shared_ptr<TlsContext> tls;  // null: no link is, and none can be
  LinkScope encrypt = LinkScope::kNone;
  // While a cluster changes over: who does not speak TLS is let in, and dialed, all the same.
  bool accept_plain = false;
  // A certificate is good for the node that it names, not for every node.
  bool verify_name = false;
};

struct PeerLinksOptions {
  std::string cluster;
  NodeId self;
  std::string self_name;
  std::string self_region;
  LinkSecurity security;
  LinkScope compress = LinkScope::kNone;  // what this node sends, to peers that can read it
  ShardId shard;
  std::uint16_t shard_count = 1;
  std::uint64_t ring_digest = 0;
  ProtocolRange versions;
  std::vector<PeerAddress> peers;  // at the start: all others, without this node
  Duration ping_interval = Duration::Millis(500);
  Duration link_timeout = Duration::Millis(2'000);       // more than twice ping_interval
  Duration handshake_timeout = Duration::Millis(2'000);  // from dialing or accepting
  Duration reconnect_first = Duration::Millis(10);
  Duration reconnect_last = Duration::Millis(1'000);
  // Past the first the peer is reported down ("congested") until no more than the second is queued.
  std::size_t queue_bytes_max = 64 * 1024 * 1024;
  std::size_t queue_bytes_resume = 16 * 1024 * 1024;
  // Accepted connections of one listener, with and without a handshake.
  std::size_t connections_max = 4'096;
  std::uint64_t seed = 0;  // for jitter

  // Guests. May this node of the same cluster be one, that is no peer or asks to be a guest? None:
  // it is refused. And which messages are heard from guests; none: nothing is. Both are asked on
  // the first shard only.
  std::function<bool(const Handshake&)> accept_stranger;
  std::function<bool(const Message&)> guest_may_say;
  std::size_t guests_max = 16;  // that came; and so many, beside them, that were dialed
  Duration guest_time_max = Duration::Seconds(30);
  std::size_t guest_queue_bytes_max = 32 * 1024 * 1024;  // frames past it are dropped
};

class PeerLinksOwner {
 public:
  virtual ~PeerLinksOwner() = default;
  // Slices of the envelope may share a block with other frames (net/frame_reader.h).
  virtual void OnFrame(NodeId from, Envelope&& envelope) = 0;
  // The first link to the peer is up; the last one that could take frames is not any more.
  // They alternate, beginning with up.
  virtual void OnPeerUp(NodeId peer, const LinkTerms& terms) = 0;
  virtual void OnPeerDown(NodeId peer, std::string_view reason) = 0;
  // Give both to PeerLinks::Attach of that shard, on its thread.
  virtual void HandOver(ReleasedSocket socket, Handshake handshake, ShardId to) = 0;

  // For owners that let guests in, or dial them. Up and down alternate, as with peers.
  virtual void OnGuestUp(NodeId /*guest*/, std::string_view /*name*/) {}
  virtual void OnGuestDown(NodeId /*guest*/, std::string_view /*reason*/) {}
  virtual void OnGuestFrame(NodeId /*from*/, Envelope&& /*envelope*/) {}
  // A node was refused, as its cluster has the same id and was founded apart (handshake_check.h).
  virtual void OnFoundedApart(const Handshake& /*theirs*/) {}
  // A ConnectGuest has come to nothing.
  virtual void OnGuestUnreachable(std::string_view /*address*/, std::string_view /*problem*/) {}
};

// About one peer, from this shard's view.
struct LinkStats {
  NodeId id;
  std::string name;
  std::string address;
  bool up = false;
  std::uint64_t links = 0;       // up now
  std::uint64_t encrypted = 0;   // of them
  std::uint64_t compressed = 0;  // of them, those on which this node compresses what it sends
  std::uint64_t bytes_before_compression = 0, bytes_after_compression = 0;
  std::uint64_t queued_bytes = 0;  // now
  std::uint64_t connects = 0;      // links that came up; the first of each counts too
  std::uint64_t reconnects = 0;    // of them, those that replaced a lost one
  std::uint64_t frames_sent = 0, frames_received = 0;
  std::uint64_t frames_dropped = 0;  // no link, or congested
  std::uint64_t frames_unknown = 0;  // of a type that this version does not know: skipped
  std::uint64_t frames_bad = 0;      // each closed its link
  std::uint64_t refused = 0;         // handshakes that did not fit
  std::uint64_t silences = 0;        // links cut because nothing was heard
  std::uint64_t congestions = 0;
  std::string last_problem;  // one sentence, empty if none
};

// About all guests, since the start.
struct GuestStats {
  std::uint64_t links = 0;  // now
  std::uint64_t connects = 0;
  std::uint64_t frames_sent = 0, frames_received = 0;
  std::uint64_t frames_dropped = 0;  // no link, too long, or too much queued
  std::uint64_t frames_unheard = 0;  // of a kind that guests have no say in, or unknown: skipped
  std::uint64_t frames_bad = 0;      // each closed its link
};

// One link number of a peer, on this shard.
struct LinkSlot {
  std::uint16_t index = 0;
  PeerLink* link = nullptr;  // up, or dialed and on its way; owned by its connection
  Backoff backoff;
  TimerId redial_timer = 0;
  std::uint64_t lookup = 0;  // of the peer's address, under way; unique; 0: none
  bool was_up = false;
  bool plain_next = false;  // it did not answer to TLS, and need not
};

struct Peer {
  PeerAddress config;
  bool we_dial = false;
  std::uint16_t shard_count = 0;  // 0: not heard from yet
  std::uint16_t version_max = 0;  // as its last handshake says
  std::vector<LinkSlot> slots;    // few: usually one
  bool told_up = false;           // as the owner knows it
  std::string down_reason;
  LinkStats stats;
};

// From ConnectGuest until its link is closed.
struct DialedGuest {
  std::string address;
  PeerLink* link = nullptr;  // null while the address is looked up
};

class PeerLinks {
 public:
  // `reactor`, `owner` and `log` must outlive this. REQUIRES: ids of peers differ, and from self.
  PeerLinks(Reactor& reactor, PeerLinksOwner& owner, Log& log, PeerLinksOptions options);
  // Closes all links without a word to the owner.
  ~PeerLinks();
  PeerLinks(const PeerLinks&) = delete;
  PeerLinks& operator=(const PeerLinks&) = delete;

  // The address that was bound. One shard may listen for all, or each with `reuse_port`.
  // Errors: kIoError.
  Result<SocketAddress> Listen(const SocketAddress& address, bool reuse_port);
  // Begins to dial.
  void Start();

  // From now on it is dialed, or may dial. If it is here as a guest, as it dialed for a peer's
  // link, it is sent away, to dial again. REQUIRES: it is not among the peers, and not this node.
  void AddPeer(PeerAddress config);
  // Its links are cut, what is queued for it is dropped, and the owner is told that it is down if
  // it was up: the last that is heard of it. No effect if there is no such peer.
  void RemovePeer(NodeId id);
  // The peer has moved. If this node dials, it goes over to the new address at once: a link to the
  // old one is cut, as whoever still answers there is not to be listened to. No effect if there is
  // no such peer, or if that is its address.
  void SetAddress(NodeId id, std::string address);

  // The lowest version that the cluster still has a use for has risen: links to peers that do not
  // speak it are cut, and refused from now on. It never falls.
  void RequireVersion(std::uint16_t version);

  // Takes over what another shard of this node accepted for this one.
  void Attach(ReleasedSocket socket, const Handshake& handshake);

  // Into this turn's write to each of these peers; encoded once. Returns how many took it: for the
  // others (unknown, down or congested) it is as if lost.
  std::size_t Send(std::span<const NodeId> to, const Envelope& envelope);
  bool Send(NodeId to, const Envelope& envelope) { return Send({&to, 1}, envelope) == 1; }

  // Dials whoever is at this address ("host:port"), to be its guest: OnGuestUp or
  // OnGuestUnreachable follows, never from within this call. One attempt; no effect if there is a
  // link from a former call for this address, or one on its way. False: there are guests_max
  // already. The caller paces its attempts. REQUIRES: this is the first shard.
  bool ConnectGuest(const std::string& address);
  // Who answered there, if its link is up.
  std::optional<NodeId> GuestAt(const std::string& address) const;
  // As Send, to a guest.
  bool SendToGuest(NodeId to, const Envelope& envelope);

  std::vector<LinkStats> Stats() const;
  GuestStats guest_stats() const;
  // Those, peers and guests, from which something came at `since` or later. O(links).
  std::vector<NodeId> HeardSince(Instant since) const;
  // Connections refused because of what their handshake said, or that sent none, from nobody known.
  std::uint64_t strangers_refused() const { return strangers_refused_; }

  // For PeerLink.
  Instant now() const { return reactor_.now().instant; }
  void OnHandshake(PeerLink& link, const Handshake& handshake);
  void OnBadHandshake(PeerLink& link, const std::string& problem);
  void OnFrame(PeerLink& link, Envelope&& envelope);
  void OnUnknownFrame(PeerLink& link);
  void OnBadFrame(PeerLink& link, const std::string& problem);
  void OnLinkClosed(PeerLink& link);

 private:
  static constexpr ShardId kGuestShard{0};

  std::vector<std::unique_ptr<Peer>>::iterator PlaceOf(NodeId id);
  Peer* Find(NodeId id);
  Peer& Insert(PeerAddress config);
  void CutLinks(Peer& peer, std::string_view reason);
  static LinkSlot* FindSlot(Peer& peer, std::uint16_t index);
  LinkSlot& SlotOf(Peer& peer, std::uint16_t index);
  // Is a link to this peer to be encrypted; and one to a guest, whose region is not known?
  bool WantsTls(const Peer& peer) const;
  bool WantsTlsOfGuests() const { return options_.security.encrypt != LinkScope::kNone; }
  void Encrypt(PeerLink& link);
  // By its first byte: whether this connection, which has come, speaks TLS.
  static void ListenForTls(const LinkSecurity& security, Connection& connection);
  // A dial that another attempt in plain text may follow.
  bool DidNotSpeakTls(const PeerLink& link) const;
  std::optional<std::string> SecurityObjection(const PeerLink& link, const Handshake& handshake);
  Handshake OwnHandshake(std::uint16_t index) const;
  ConnectionLimits LimitsOfLinks() const;
  ConnectionFactory AcceptFactory();

  void Dial(Peer& peer, LinkSlot& slot);
  void DialAddress(Peer& peer, std::uint16_t index, const Result<SocketAddress>& address);
  void ScheduleDial(Peer& peer, LinkSlot& slot);
  void OnDialFailed(Peer& peer, LinkSlot& slot, const std::string& problem);
  void DialMissing(Peer& peer);

  std::optional<std::string> MembershipObjection(const PeerLink& link, const Handshake& handshake);
  void Refuse(PeerLink& link, Peer* peer, const std::string& problem);
  void HandOver(PeerLink& link, const Handshake& handshake, ShardId to);
  void Establish(PeerLink& link, Peer& peer, const Handshake& handshake);
  void Replace(Peer& peer, LinkSlot& slot);

  bool ComesAsGuest(const PeerLink& link, const Handshake& handshake);
  std::optional<std::string> GuestObjection(const PeerLink& link, const Handshake& handshake) const;
  void EstablishGuest(PeerLink& link, const Handshake& handshake);
  void DialGuest(const std::string& address, const Result<SocketAddress>& resolved);
  void DismissGuest(NodeId id);
  PeerLink* GuestLinkOf(NodeId id) const;
  void OnGuestFrame(PeerLink& link, Envelope&& envelope);
  void OnGuestLinkClosed(PeerLink& link, const std::string& problem);
  // Tells the owner if the guest has come or gone. Not from within Send.
  void UpdateGuest(NodeId id, std::string_view reason);

  PeerLink* Pick(const Peer& peer, std::optional<ShardId> to_shard) const;
  void NoteSent(Peer& peer, PeerLink& link);
  // Tells the owner if the peer's state has changed. Not from within Send. The peer may be gone
  // afterwards.
  void UpdatePeer(Peer& peer);
  // UpdatePeer of all, in the next turn.
  void UpdatePeersSoon();
  bool HasDrained(PeerLink& link) const;
  void EaseCongestion();

  void Tick();
  void TickLink(PeerLink& link, Instant now, bool stalled);
  void OnPeerLinkClosed(PeerLink& link, const std::string& problem);
  // One line each time that the problem changes, not for each attempt.
  void NoteProblem(Peer& peer, std::string_view event, const std::string& problem);
  void NoteStranger(const PeerLink& link, const std::string& problem);
  void Forget(PeerLink& link);

  Reactor& reactor_;
  PeerLinksOwner& owner_;
  Log& log_;
  const PeerLinksOptions options_;
  const std::string keepalive_;
  const Duration tick_interval_;
  Prng prng_;
  Resolver resolver_;
  std::uint16_t version_min_;
  std::vector<std::unique_ptr<Peer>> peers_;  // by id
  std::vector<PeerLink*> links_;              // all, whatever their state
  std::vector<DialedGuest> dialed_guests_;    // at most guests_max
  std::vector<NodeId> guests_told_;           // that are up, as the owner knows it
  std::vector<std::string> plain_guests_;     // addresses to dial in plain text next
  GuestStats guest_stats_;
  std::string scratch_;  // a frame to be compressed
  std::size_t congested_count_ = 0;
  std::uint64_t strangers_refused_ = 0;
  Instant last_tick_;
  Instant next_stranger_line_{INT64_MIN};
  TimerId tick_timer_ = 0;
  std::uint64_t last_lookup_ = 0;
  bool started_ = false;
  bool updating_soon_ = false;
  std::shared_ptr<bool> alive_;  // what callbacks that outlive this look at
};

}  // namespace gyre
