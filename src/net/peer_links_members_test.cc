// Peers that come and go while the node runs, and owners that let them go at the worst moment.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "net/peer_links_test_util.h"

namespace gyre {
namespace {

using testing::ElementsAre;

class PeerLinksMembersTest : public PeerLinksTest {
 protected:
  static PeerAddress PeerAt(std::uint32_t id, std::uint16_t port) {
    return {NodeId(id), NameOf(id), "127.0.0.1:" + std::to_string(port)};
  }
  static bool Knows(TestNode& node, std::uint32_t id) {
    for (const LinkStats& stats : node->links->Stats()) {
      if (stats.id == NodeId(id)) return true;
    }
    return false;
  }
};

// Goal: peers that become known at run time are linked, whichever side learns of the other first.
TEST_F(PeerLinksMembersTest, APeerAddedLaterIsLinked) {
  for (const bool dialer_first : {true, false}) {
    a_ = MakeNode(1, {});
    b_ = MakeNode(2, {});
    Start(a_);
    Start(b_);
    if (dialer_first) {
      a_->links->AddPeer(PeerAt(2, b_.port));
      ASSERT_TRUE(Until({&a_, &b_}, [&] { return a_->Stats(2).refused > 0; }));
      EXPECT_TRUE(a_->log.Has({"peer_refused", "it refuses this node"})) << a_->log.Text();
      b_->links->AddPeer(PeerAt(1, a_.port));
    } else {
      b_->links->AddPeer(PeerAt(1, a_.port));
      TurnMany({&a_, &b_}, 20);
      EXPECT_EQ(b_->reactor->stats().dialed, 0u) << "the smaller id dials";
      a_->links->AddPeer(PeerAt(2, b_.port));
    }
    ASSERT_TRUE(Until({&a_, &b_}, [&] { return b_->Stats(1).up && a_->Stats(2).up; }));
    EXPECT_THAT(a_->recorder.changes, ElementsAre("+2")) << "a refused link was up for a while";
    a_->links->Send(NodeId(2), Get(1));
    b_->links->Send(NodeId(1), Get(2));
    EXPECT_TRUE(Until({&a_, &b_}, [&] {
      return a_->recorder.frames.size() == 1 && b_->recorder.frames.size() == 1;
    }));
  }
}

// Goal: a peer that is added before the start is dialed with the start, not earlier.
TEST_F(PeerLinksMembersTest, NothingIsDialedBeforeTheStart) {
  b_ = MakeNode(2, {{1, 1}});
  a_ = MakeNode(1, {});
  a_->links->AddPeer(PeerAt(2, b_.port));
  EXPECT_EQ(a_->reactor->stats().dialed, 0u);
  Start(a_);
  EXPECT_TRUE(Until({&a_, &b_}, [&] { return a_->Stats(2).up; }));
}

// Goal: a removed peer is told down once, at once, and forgotten; frames for it are dropped, those
// that waited too; what it dials from then on is a stranger's.
TEST_F(PeerLinksMembersTest, ARemovedPeerIsForgotten) {
  MakePair();
  b_->links->Send(NodeId(1), Get(1));  // waits for the end of the turn
  b_->links->RemovePeer(NodeId(1));
  EXPECT_THAT(b_->recorder.changes, ElementsAre("+1", "-1"));
  EXPECT_THAT(b_->recorder.reasons, ElementsAre(testing::HasSubstr("removed")));
  EXPECT_FALSE(b_->links->Send(NodeId(1), Get(2)));
  EXPECT_FALSE(Knows(b_, 1));
  b_->links->RemovePeer(NodeId(1));  // no effect

  ASSERT_TRUE(Until({&a_, &b_}, [&] { return b_->links->strangers_refused() >= 2; }));
  EXPECT_TRUE(b_->log.Has({"stranger_refused", "'n1' is not in this node's list"}));
  EXPECT_THAT(b_->recorder.changes, ElementsAre("+1", "-1"));
  EXPECT_TRUE(a_->recorder.frames.empty());
}

// Goal: the side that dials stops dialing, whatever was under way: a link, a dial, a redial that
// waits for its time.
TEST_F(PeerLinksMembersTest, ARemovedPeerIsNotDialedAgain) {
  MakePair();
  const UniqueFd hung = ListenSocket(Loopback(), /*reuse_port=*/false, 16).value();
  a_->links->AddPeer(PeerAt(3, LocalAddress(hung.get()).port()));  // accepts, never answers
  a_->links->AddPeer(PeerAt(4, 1));                                // refuses
  ASSERT_TRUE(Until({&a_, &b_}, [&] { return !a_->Stats(4).last_problem.empty(); }));
  for (const std::uint32_t id : {2, 3, 4}) a_->links->RemovePeer(NodeId(id));
  EXPECT_THAT(a_->recorder.changes, ElementsAre("+2", "-2"));
  const std::uint64_t dialed = a_->reactor->stats().dialed;
  TurnFor({a_->reactor.get(), b_->reactor.get()}, Duration::Millis(150));  // backoff: 40 ms
  EXPECT_EQ(a_->reactor->stats().dialed, dialed);
  EXPECT_EQ(a_->reactor->stats().connections, 0u);
  EXPECT_THAT(b_->recorder.changes, ElementsAre("+1", "-1"));
  EXPECT_THAT(a_->recorder.changes, ElementsAre("+2", "-2"));
}

// Goal: a peer that comes back is linked anew, and begins with clean numbers.
TEST_F(PeerLinksMembersTest, APeerMayBeAddedAgain) {
  MakePair();
  for (int round = 0; round < 3; ++round) {
    a_->links->RemovePeer(NodeId(2));
    a_->links->AddPeer(PeerAt(2, b_.port));
    const std::size_t changes = a_->recorder.changes.size();
    ASSERT_TRUE(Until({&a_, &b_}, [&] { return a_->recorder.changes.size() > changes; }));
  }
  EXPECT_THAT(a_->recorder.changes, ElementsAre("+2", "-2", "+2", "-2", "+2", "-2", "+2"));
  EXPECT_EQ(a_->Stats(2).connects, 1u);
  EXPECT_EQ(a_->Stats(2).reconnects, 0u);
  ASSERT_TRUE(Until({&a_, &b_}, [&] { return b_->Stats(1).up; }));
  b_->links->Send(NodeId(1), Get(7));
  EXPECT_TRUE(Until({&a_, &b_}, [&] { return a_->recorder.frames.size() == 1; }));
  EXPECT_EQ(a_->reactor->stats().connections, 1u);
}

// Goal: the answer to a lookup for a peer that is gone, or that has moved since, is not used: each
// is dialed once, where it is now.
TEST_F(PeerLinksMembersTest, AnOldLookupIsNotUsed) {
  const UniqueFd old_place = ListenSocket(Loopback(), /*reuse_port=*/false, 16).value();
  const std::string old_name = "localhost:" + std::to_string(LocalAddress(old_place.get()).port());
  b_ = MakeNode(2, {{1, 1}});
  a_ = MakeNode(1, {});
  Start(a_);
  const std::string name = "localhost:" + std::to_string(b_.port);
  a_->links->AddPeer({NodeId(3), NameOf(3), old_name});
  a_->links->RemovePeer(NodeId(3));
  a_->links->AddPeer({NodeId(2), NameOf(2), old_name});
  a_->links->RemovePeer(NodeId(2));
  a_->links->AddPeer({NodeId(2), NameOf(2), old_name});
  a_->links->SetAddress(NodeId(2), name);
  ASSERT_TRUE(Until({&a_, &b_}, [&] { return a_->Stats(2).up; }));
  TurnMany({&a_, &b_}, 20);
  EXPECT_EQ(a_->reactor->stats().dialed, 1u);
}

// Goal: a member that has moved is dialed where it is now, and its old place, where something may
// still answer in its name, is left.
TEST_F(PeerLinksMembersTest, AMemberThatMovedIsDialedAtItsNewAddress) {
  MakePair();
  TestNode moved = MakeNode(2, {{1, 1}});
  Start(moved);
  a_->links->SetAddress(NodeId(2), AddressOf(moved));
  EXPECT_THAT(a_->recorder.changes, ElementsAre("+2", "-2"));
  EXPECT_THAT(a_->recorder.reasons, ElementsAre(testing::HasSubstr("moved to")));
  ASSERT_TRUE(Until({&a_, &b_, &moved},
                    [&] { return moved->Stats(1).up && a_->Stats(2).up && !b_->Stats(1).up; }));
  EXPECT_THAT(a_->recorder.changes, ElementsAre("+2", "-2", "+2"));
  EXPECT_EQ(a_->Stats(2).reconnects, 1u);
  EXPECT_EQ(a_->reactor->stats().connections, 1u);
  // The same again changes nothing.
  a_->links->SetAddress(NodeId(2), AddressOf(moved));
  EXPECT_EQ(a_->recorder.changes.size(), 3u);
  a_->links->Send(NodeId(2), Get(5));
  EXPECT_TRUE(Until({&a_, &b_, &moved}, [&] { return moved->recorder.frames.size() == 1; }));
}

// Goal: a member that could not be reached is dialed at its new address at once, without waiting
// for the next attempt; where the other side dials, its link stays.
TEST_F(PeerLinksMembersTest, ANewAddressDoesNotWaitForTheNextAttempt) {
  b_ = MakeNode(2, {{1, 1}});
  Start(b_);
  a_ = MakeNode(1, {{2, 1}}, 1, [](PeerLinksOptions& options) {
    options.reconnect_first = options.reconnect_last = Duration::Seconds(60);
  });
  Start(a_);
  ASSERT_TRUE(Until({&a_, &b_}, [&] { return !a_->Stats(2).last_problem.empty(); }));
  a_->links->SetAddress(NodeId(2), AddressOf(b_));
  ASSERT_TRUE(Until({&a_, &b_}, [&] { return a_->Stats(2).up && b_->Stats(1).up; }));
  b_->links->SetAddress(NodeId(1), "127.0.0.1:2");
  EXPECT_THAT(b_->recorder.changes, ElementsAre("+1"));
  EXPECT_EQ(b_->Stats(1).address, "127.0.0.1:2");
  EXPECT_TRUE(b_->links->Send(NodeId(1), Get(1)));
}

// Goal: an owner may remove a peer when one of its frames comes: those behind it, received in the
// same read, are not delivered.
TEST_F(PeerLinksMembersTest, AFrameMayRemoveItsSender) {
  b_ = MakeNode(2, {{1, 1}});
  Start(b_);
  TestSocket peer = FakePeer(b_);
  b_->recorder.on_frame = [&] { b_->links->RemovePeer(NodeId(1)); };
  peer.SendSome(EncodeFrame(Get(1)).ToString() + EncodeFrame(Get(2)).ToString());
  EXPECT_TRUE(Until({&b_}, [&] { return !peer.ReceiveSome(); }));
  EXPECT_EQ(b_->recorder.frames.size(), 1u);
  EXPECT_THAT(b_->recorder.changes, ElementsAre("+1", "-1"));
}

// Goal: an owner may remove a peer, or remove and add it, at whatever it is told of that peer; no
// step goes on with one that is gone. (The address sanitizer watches.)
TEST_F(PeerLinksMembersTest, WhatIsToldMayRemoveThePeer) {
  for (const bool add_again : {false, true}) {
    for (const std::string at : {"up, dialed", "up, accepted", "down, dialed", "down, accepted"}) {
      SCOPED_TRACE(at + (add_again ? ", added again" : ""));
      const bool dialed = at.find("dialed") != std::string::npos;
      b_ = MakeNode(2, {{1, 1}});
      a_ = MakeNode(1, {{2, b_.port}});
      TestNode& node = dialed ? a_ : b_;
      TestNode& other = dialed ? b_ : a_;
      const std::uint32_t other_id = dialed ? 2 : 1;
      const std::string change = (at[0] == 'u' ? "+" : "-") + std::to_string(other_id);
      int removals = 0;
      node->recorder.on_change = [&](const std::string& what) {
        if (what != change || removals++ > 0) return;
        node->links->RemovePeer(NodeId(other_id));
        if (add_again) node->links->AddPeer(PeerAt(other_id, other.port));
      };
      Start(a_);
      Start(b_);
      if (at[0] == 'd') {
        ASSERT_TRUE(Until({&a_, &b_}, [&] { return b_->Stats(1).up && a_->Stats(2).up; }));
        other = {};
        ASSERT_TRUE(Until({&node}, [&] { return removals > 0; }));
        TurnMany({&node}, 20);
      } else {
        ASSERT_TRUE(Until({&a_, &b_}, [&] { return removals > 0; }));
        if (add_again) {
          EXPECT_TRUE(Until({&a_, &b_}, [&] { return b_->Stats(1).up && a_->Stats(2).up; }));
        }
        TurnMany({&a_, &b_}, 20);
      }
      EXPECT_EQ(Knows(node, other_id), add_again);
      std::vector<std::string> changes = node->recorder.changes;
      ASSERT_GE(changes.size(), 2u);
      changes.resize(2);
      EXPECT_THAT(changes,
                  ElementsAre("+" + std::to_string(other_id), "-" + std::to_string(other_id)));
      if (!add_again) {
        EXPECT_EQ(node->recorder.changes.size(), 2u);
      }
    }
  }
}

// Goal: the same where the down is that of a link that a newer one replaces: the newer one goes
// too.
TEST_F(PeerLinksMembersTest, AReplacedLinkMayRemoveThePeer) {
  b_ = MakeNode(2, {{1, 1}});
  Start(b_);
  TestSocket older = FakePeer(b_);
  b_->recorder.on_down = [&] { b_->links->RemovePeer(NodeId(1)); };
  TestSocket newer(b_.port);
  newer.SendSome(EncodeHandshake(HandshakeOf(1)));
  EXPECT_TRUE(Until({&b_}, [&] { return !older.ReceiveSome(); }));
  EXPECT_TRUE(Until({&b_}, [&] { return !newer.ReceiveSome(); }));
  EXPECT_THAT(b_->recorder.changes, ElementsAre("+1", "-1"));
  EXPECT_FALSE(Knows(b_, 1));
}

// Goal: the same where congestion is told, to several peers in one go: each may remove all.
TEST_F(PeerLinksMembersTest, CongestionMayRemoveAllPeers) {
  b_ = MakeNode(2, {{1, 1}}, 1, [](PeerLinksOptions& options) {
    options.queue_bytes_max = 8'000'000;
    options.queue_bytes_resume = 1'000'000;
  });
  Start(b_);
  TestSocket slow = FakePeer(b_);
  b_->links->AddPeer(PeerAt(3, 1));
  b_->recorder.on_down = [&] {
    b_->links->RemovePeer(NodeId(1));
    b_->links->RemovePeer(NodeId(3));
    for (std::uint32_t id = 10; id < 30; ++id) b_->links->AddPeer(PeerAt(id, 1));
  };
  ASSERT_TRUE(Until({&b_}, [&] {
    for (int i = 0; i < 20; ++i) b_->links->Send(NodeId(1), Reply(1, ShardId(0), 100'000));
    return b_->recorder.changes.size() == 2;
  }));
  EXPECT_THAT(b_->recorder.reasons, ElementsAre("congested"));
  EXPECT_EQ(b_->links->Stats().size(), 20u);
  TurnMany({&b_}, 20);
  EXPECT_THAT(b_->recorder.changes, ElementsAre("+1", "-1"));
}

}  // namespace
}  // namespace gyre
