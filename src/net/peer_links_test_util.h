// For the tests of PeerLinks: nodes over loopback in one process, their loops turned by the test's
// own thread, and what their links said.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/net_test_util.h"
#include "net/peer_links.h"

namespace gyre {

inline Envelope Get(std::uint64_t id) {
  ReplicaGet get;
  get.id = RequestId(id);
  get.key.key = Bytes("k");
  return {.from_shard = ShardId(0), .message = std::move(get)};
}
// `shard` is the one that asked.
inline Envelope Reply(std::uint64_t id, ShardId shard, std::size_t record_bytes = 0) {
  ReplicaGetReply reply;
  reply.id = RequestId(id);
  reply.record = Bytes(std::string(record_bytes, 'r'));
  return {.from_shard = ShardId(0), .to_shard = shard, .message = std::move(reply)};
}
inline std::uint64_t IdOf(const Envelope& envelope) {
  return std::visit([](const auto& message) { return message.id.value; }, envelope.message);
}

// What one shard's links said, in order: "+7" peer 7 is up, "-7" it is down.
class Recorder final : public PeerLinksOwner {
 public:
  void OnFrame(NodeId from, Envelope&& envelope) override {
    froms.push_back(from);
    frames.push_back(std::move(envelope));
    if (on_frame) on_frame();
  }
  void OnPeerUp(NodeId peer, const LinkTerms& peer_terms) override {
    terms.push_back(peer_terms);
    Note("+" + std::to_string(peer.value));
  }
  void OnPeerDown(NodeId peer, std::string_view reason) override {
    if (on_down) on_down();
    reasons.emplace_back(reason);  // still there, whatever on_down did
    Note("-" + std::to_string(peer.value));
  }
  void OnGuestUp(NodeId guest, std::string_view name) override {
    EXPECT_EQ(name, "n" + std::to_string(guest.value));
    NoteGuest("+" + std::to_string(guest.value));
  }
  void OnGuestDown(NodeId guest, std::string_view reason) override {
    guest_reasons.emplace_back(reason);
    NoteGuest("-" + std::to_string(guest.value));
  }
  void OnGuestFrame(NodeId from, Envelope&& envelope) override {
    guest_froms.push_back(from);
    guest_frames.push_back(std::move(envelope));
  }
  void OnGuestUnreachable(std::string_view address, std::string_view problem) override {
    unreachable.push_back(std::string(address) + ": " + std::string(problem));
  }
  void OnFoundedApart(const Handshake& theirs) override { founded_apart.push_back(theirs.node); }
  void HandOver(ReleasedSocket socket, Handshake handshake, ShardId to) override {
    hand_over(std::move(socket), std::move(handshake), to);
  }

  std::vector<NodeId> froms;
  std::vector<Envelope> frames;
  std::vector<LinkTerms> terms;  // of those that came up
  std::vector<std::string> changes;
  std::vector<std::string> reasons;
  // The same of guests, and what became of those dialed in vain.
  std::vector<std::string> guests;
  std::vector<std::string> guest_reasons;
  std::vector<NodeId> guest_froms;
  std::vector<Envelope> guest_frames;
  std::vector<std::string> unreachable;
  std::vector<std::string> founded_apart;
  std::function<void(ReleasedSocket, Handshake, ShardId)> hand_over;
  // Called from within what the links tell.
  std::function<void()> on_frame;
  std::function<void()> on_down;
  std::function<void(const std::string&)> on_change;
  std::function<void(const std::string&)> on_guest;

 private:
  void NoteGuest(const std::string& change) {
    guests.push_back(change);
    if (on_guest) on_guest(change);
  }
  void Note(const std::string& change) {
    changes.push_back(change);
    if (on_change) on_change(change);
  }
};

// One shard of one node.
struct TestShard {
  std::unique_ptr<Reactor> reactor = NewReactor();
  Recorder recorder;
  RecordingLog log;
  std::unique_ptr<PeerLinks> links;

  LinkStats Stats(std::uint32_t peer) const {
    for (const LinkStats& stats : links->Stats()) {
      if (stats.id.value == peer) return stats;
    }
    return {};
  }
};

struct TestNode {
  std::vector<std::unique_ptr<TestShard>> shards;
  std::uint16_t port = 0;

  TestShard& operator[](std::size_t i) { return *shards[i]; }
  TestShard* operator->() { return shards[0].get(); }
};

class PeerLinksTest : public testing::Test {
 protected:
  static std::string NameOf(std::uint32_t id) { return "n" + std::to_string(id); }

  PeerLinksOptions Options() const {
    PeerLinksOptions options;
    options.cluster = "test";
    options.ring_digest = 42;
    options.reconnect_last = Duration::Millis(40);
    options.ping_interval = Duration::Millis(40);
    options.link_timeout = Duration::Seconds(10);
    return options;
  }

  // Makes a node that listens on its first shard; `change` may alter its options.
  TestNode MakeNode(std::uint32_t id, std::map<std::uint32_t, std::uint16_t> peers,
                    int shard_count = 1, const std::function<void(PeerLinksOptions&)>& change = {},
                    std::uint16_t port = 0) {
    TestNode node;
    for (int i = 0; i < shard_count; ++i) {
      PeerLinksOptions options = Options();
      options.self = NodeId(id);
      options.self_name = NameOf(id);
      options.shard = ShardId(static_cast<std::uint16_t>(i));
      options.shard_count = static_cast<std::uint16_t>(shard_count);
      for (const auto& [peer, peer_port] : peers) {
        options.peers.push_back(
            {NodeId(peer), NameOf(peer), "127.0.0.1:" + std::to_string(peer_port)});
      }
      if (change) change(options);
      auto shard = std::make_unique<TestShard>();
      shard->links =
          std::make_unique<PeerLinks>(*shard->reactor, shard->recorder, shard->log, options);
      node.shards.push_back(std::move(shard));
    }
    for (auto& shard : node.shards) {
      shard->recorder.hand_over = [shards = Raw(node)](ReleasedSocket socket,
                                                       const Handshake& handshake, ShardId to) {
        shards[to.value]->links->Attach(std::move(socket), handshake);
      };
    }
    node.port = node->links->Listen(Loopback(port), /*reuse_port=*/false)->port();
    return node;
  }
  static std::vector<TestShard*> Raw(TestNode& node) {
    std::vector<TestShard*> raw;
    for (auto& shard : node.shards) raw.push_back(shard.get());
    return raw;
  }
  static void Start(TestNode& node) {
    for (auto& shard : node.shards) shard->links->Start();
  }
  // Turns all loops of all nodes.
  static bool Until(std::initializer_list<TestNode*> nodes, const std::function<bool()>& fact) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!fact()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      Turn(nodes);
    }
    return true;
  }
  static void Turn(std::initializer_list<TestNode*> nodes) {
    for (TestNode* node : nodes) {
      for (auto& shard : node->shards) shard->reactor->RunOnce(Duration::Millis(1));
    }
  }
  static void TurnMany(std::initializer_list<TestNode*> nodes, int turns) {
    for (int i = 0; i < turns; ++i) Turn(nodes);
  }

  Handshake HandshakeOf(std::uint32_t id) const {
    Handshake handshake;
    handshake.cluster = "test";
    handshake.node = NameOf(id);
    handshake.node_id = NodeId(id);
    handshake.ring_digest = 42;
    return handshake;
  }
  static std::string AddressOf(const TestNode& node) {
    return "127.0.0.1:" + std::to_string(node.port);
  }
  // Node 1 and node 2, with a link.
  void MakePair(const std::function<void(PeerLinksOptions&)>& change = {}) {
    b_ = MakeNode(2, {{1, 1}}, 1, change);
    a_ = MakeNode(1, {{2, b_.port}}, 1, change);
    Start(a_);
    Start(b_);
    ASSERT_TRUE(Until({&a_, &b_}, [&] {
      return !a_->recorder.changes.empty() && !b_->recorder.changes.empty();
    }));
    ASSERT_THAT(a_->recorder.changes, testing::ElementsAre("+2"));
    ASSERT_THAT(b_->recorder.changes, testing::ElementsAre("+1"));
  }
  // A plain socket that has shaken hands with node 2 as node 1.
  TestSocket FakePeer(TestNode& node, std::uint32_t id = 1) {
    TestSocket peer(node.port);
    peer.SendSome(EncodeHandshake(HandshakeOf(id)));
    std::size_t used = 0;
    EXPECT_TRUE(Until({&node}, [&] {
      peer.ReceiveSome();
      return DecodeHandshake(peer.received(), used).value().has_value();
    }));
    peer.mutable_received().erase(0, used);
    return peer;
  }

  TestNode a_, b_;
};

}  // namespace gyre
