// Guests: nodes that knock before they are peers, and what they may do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/codec.h"
#include "net/peer_links_test_util.h"

namespace gyre {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Guests may say ReplicaGet, and nothing else.
class PeerLinksGuestsTest : public PeerLinksTest {
 protected:
  static void LetIn(PeerLinksOptions& options) {
    options.accept_stranger = [](const Handshake&) { return true; };
    options.guest_may_say = [](const Message& message) {
      return std::holds_alternative<ReplicaGet>(message);
    };
  }
  TestNode MakeHost(std::uint32_t id, std::map<std::uint32_t, std::uint16_t> peers = {},
                    const std::function<void(PeerLinksOptions&)>& change = {},
                    int shard_count = 1) {
    return MakeNode(id, std::move(peers), shard_count, [&](PeerLinksOptions& options) {
      LetIn(options);
      if (change) change(options);
    });
  }
  // A plain socket that asks to be a guest.
  TestSocket Knock(TestNode& node, std::uint32_t id) {
    TestSocket guest(node.port);
    Handshake handshake = HandshakeOf(id);
    handshake.link_index = kGuestLink;
    guest.SendSome(EncodeHandshake(handshake));
    return guest;
  }
  // What the node answered in its handshake.
  std::uint16_t AnswerTo(TestSocket& guest, TestNode& node) {
    std::uint16_t answer = 0;
    std::size_t used = 0;
    EXPECT_TRUE(Until({&node}, [&] {
      guest.ReceiveSome();
      const auto handshake = DecodeHandshake(guest.received(), used).value();
      if (handshake) answer = handshake->link_index;
      return handshake.has_value();
    }));
    return answer;
  }
};

// Goal: a node that knows nothing but an address gets a link there, and each hears the other as a
// guest, by its id; neither is a peer. Whose id is the smaller does not matter.
TEST_F(PeerLinksGuestsTest, AGuestIsLetInAndHeard) {
  for (const auto& [guest_id, host_id] : {std::pair(1, 2), std::pair(2, 1)}) {
    Handshake seen;
    b_ = MakeHost(host_id, {}, [&](PeerLinksOptions& options) {
      options.ring_digest = 77;
      options.accept_stranger = [&](const Handshake& handshake) {
        seen = handshake;
        return true;
      };
    });
    a_ = MakeHost(guest_id, {}, [](PeerLinksOptions& options) {
      options.ring_digest = 0;  // in no cluster yet
    });
    Start(a_);
    Start(b_);
    EXPECT_TRUE(a_->links->ConnectGuest(AddressOf(b_)));
    EXPECT_TRUE(a_->recorder.guests.empty()) << "never from within the call";
    ASSERT_TRUE(Until(
        {&a_, &b_}, [&] { return !a_->recorder.guests.empty() && !b_->recorder.guests.empty(); }));
    EXPECT_THAT(a_->recorder.guests, ElementsAre("+" + std::to_string(host_id)));
    EXPECT_THAT(b_->recorder.guests, ElementsAre("+" + std::to_string(guest_id)));
    EXPECT_EQ(a_->links->GuestAt(AddressOf(b_)), NodeId(host_id));
    EXPECT_EQ(a_->links->GuestAt("127.0.0.1:1"), std::nullopt);
    EXPECT_EQ(b_->links->HeardSince(Instant{}), std::vector{NodeId(guest_id)});
    EXPECT_TRUE(b_->links->HeardSince(b_->links->now() + Duration::Seconds(1)).empty());
    EXPECT_EQ(seen.node, NameOf(guest_id));
    EXPECT_EQ(seen.node_id.value, guest_id);

    EXPECT_TRUE(a_->links->SendToGuest(NodeId(host_id), Get(1)));
    EXPECT_TRUE(b_->links->SendToGuest(NodeId(guest_id), Get(2)));
    EXPECT_FALSE(a_->links->Send(NodeId(host_id), Get(3))) << "it is no peer";
    ASSERT_TRUE(Until({&a_, &b_}, [&] {
      return a_->recorder.guest_frames.size() == 1 && b_->recorder.guest_frames.size() == 1;
    }));
    EXPECT_EQ(IdOf(b_->recorder.guest_frames[0]), 1u);
    EXPECT_EQ(b_->recorder.guest_froms[0].value, guest_id);
    EXPECT_EQ(a_->recorder.guest_froms[0].value, host_id);
    EXPECT_TRUE(a_->recorder.changes.empty() && b_->recorder.changes.empty());
    EXPECT_TRUE(a_->recorder.frames.empty() && b_->recorder.frames.empty());
    EXPECT_EQ(b_->links->guest_stats().links, 1u);
    EXPECT_EQ(b_->links->guest_stats().frames_received, 1u);
  }
}

// Goal: what guests have no say in is skipped and counted, and so is what nobody knows; the link
// goes on.
TEST_F(PeerLinksGuestsTest, OnlyGuestsWordsAreHeard) {
  b_ = MakeHost(2);
  Start(b_);
  TestSocket guest = Knock(b_, 1);
  EXPECT_EQ(AnswerTo(guest, b_), kGuestLink);
  guest.SendSome(EncodeFrame(Reply(1, ShardId(0))).ToString() + EncodeFrame(Get(2)).ToString());
  ASSERT_TRUE(Until({&b_}, [&] { return b_->recorder.guest_frames.size() == 1; }));
  EXPECT_EQ(IdOf(b_->recorder.guest_frames[0]), 2u);
  EXPECT_EQ(b_->links->guest_stats().frames_unheard, 1u);
  EXPECT_THAT(b_->recorder.guests, ElementsAre("+1"));
}

// Goal: a guest cannot make this node gather as much as a peer can: a frame past its limit closes
// the link before it has come.
TEST_F(PeerLinksGuestsTest, AGuestsFrameThatIsTooLongClosesTheLink) {
  b_ = MakeHost(2);
  Start(b_);
  TestSocket guest = Knock(b_, 1);
  AnswerTo(guest, b_);
  char header[kFrameHeaderBytes];
  Writer writer(header);
  writer.U32(16 * 1024 * 1024 + 1);
  writer.U32(0);
  guest.SendSome({header, sizeof header});
  ASSERT_TRUE(Until({&b_}, [&] { return b_->recorder.guests.size() == 2; }));
  EXPECT_THAT(b_->recorder.guests, ElementsAre("+1", "-1"));
  EXPECT_THAT(b_->recorder.guest_reasons, ElementsAre(HasSubstr("longer than is allowed")));
  EXPECT_EQ(b_->links->guest_stats().frames_bad, 1u);
  EXPECT_FALSE(b_->links->SendToGuest(NodeId(1), Get(1)));
  EXPECT_EQ(b_->links->guest_stats().frames_dropped, 1u);
}

// Goal: who is not let in learns of it, as does the operator; nothing is up for a moment. Without a
// hook nobody is let in, and another cluster's node is not even asked about; nor is one of a
// cluster that only has the same id, but the owner hears of that.
TEST_F(PeerLinksGuestsTest, WhoIsNotLetInIsRefused) {
  struct Case {
    std::string log, told;
    std::function<void(PeerLinksOptions&)> change;
  };
  bool asked = false;
  const std::vector<Case> cases = {
      {"'n1' is not let in as a guest", "does not take this node for a guest",
       [](PeerLinksOptions& options) {
         options.accept_stranger = [](const Handshake&) { return false; };
       }},
      {"not in this node's list", "does not take this node for a guest",
       [](PeerLinksOptions& options) { options.accept_stranger = nullptr; }},
      {"belongs to cluster 'test'", "belongs to cluster 'other'",
       [&](PeerLinksOptions& options) {
         options.cluster = "other";
         options.accept_stranger = [&](const Handshake&) { return asked = true; };
       }},
      {"founded apart", "founded apart",
       [&](PeerLinksOptions& options) {
         options.ring_digest = 43;
         options.accept_stranger = [&](const Handshake&) { return asked = true; };
       }},
  };
  for (const Case& one : cases) {
    b_ = MakeHost(2, {}, one.change);
    a_ = MakeHost(1);
    a_->links->ConnectGuest(AddressOf(b_));
    ASSERT_TRUE(Until({&a_, &b_}, [&] { return !a_->recorder.unreachable.empty(); })) << one.log;
    EXPECT_THAT(a_->recorder.unreachable, ElementsAre(HasSubstr(AddressOf(b_) + ": it ")));
    EXPECT_THAT(a_->recorder.unreachable[0], HasSubstr(one.told));
    EXPECT_TRUE(b_->log.Has({"stranger_refused", one.log})) << b_->log.Text();
    EXPECT_EQ(b_->links->strangers_refused(), 1u);
    EXPECT_TRUE(a_->recorder.guests.empty() && b_->recorder.guests.empty());
    const bool apart = one.told == "founded apart";
    EXPECT_EQ(a_->recorder.founded_apart, std::vector<std::string>(apart ? 1 : 0, NameOf(2)));
    EXPECT_EQ(b_->recorder.founded_apart, std::vector<std::string>(apart ? 1 : 0, NameOf(1)));
  }
  EXPECT_FALSE(asked);
}

// Goal: each attempt that comes to nothing is told once, with its reason: nobody there, no such
// name, this very node. The same address is not dialed twice at a time, nor are more than may be.
TEST_F(PeerLinksGuestsTest, AnAttemptInVainIsTold) {
  const UniqueFd hung = ListenSocket(Loopback(), /*reuse_port=*/false, 16).value();
  const std::string hung_address = "127.0.0.1:" + std::to_string(LocalAddress(hung.get()).port());
  a_ = MakeHost(1, {}, [](PeerLinksOptions& options) {
    options.guests_max = 4;
    options.handshake_timeout = Duration::Millis(100);
  });
  Start(a_);
  EXPECT_TRUE(a_->links->ConnectGuest("127.0.0.1:1"));
  EXPECT_TRUE(a_->links->ConnectGuest("nowhere"));
  EXPECT_TRUE(a_->links->ConnectGuest("nowhere"));
  EXPECT_TRUE(a_->links->ConnectGuest(AddressOf(a_)));
  EXPECT_TRUE(a_->links->ConnectGuest(hung_address));
  EXPECT_TRUE(a_->links->ConnectGuest(hung_address));
  EXPECT_FALSE(a_->links->ConnectGuest("127.0.0.1:2"));
  ASSERT_TRUE(Until({&a_}, [&] { return a_->recorder.unreachable.size() == 4; }));
  TurnMany({&a_}, 10);
  EXPECT_THAT(
      a_->recorder.unreachable,
      testing::UnorderedElementsAre(HasSubstr("127.0.0.1:1: Connection refused"),
                                    HasSubstr("nowhere: "), HasSubstr("claims to be this node"),
                                    HasSubstr(hung_address + ": no handshake in time")));
  EXPECT_TRUE(a_->links->ConnectGuest("127.0.0.1:2"));
  EXPECT_TRUE(a_->recorder.guests.empty());
}

// Goal: an address may be a name.
TEST_F(PeerLinksGuestsTest, ASeedMayBeGivenByName) {
  b_ = MakeHost(2);
  a_ = MakeHost(1);
  a_->links->ConnectGuest("localhost:" + std::to_string(b_.port));
  EXPECT_TRUE(Until({&a_, &b_}, [&] { return !b_->recorder.guests.empty(); }));
}

// Goal: no more guests than may be; one that leaves makes room, and one that comes again takes its
// own place, which is told.
TEST_F(PeerLinksGuestsTest, GuestsAreLimited) {
  b_ = MakeHost(2, {}, [](PeerLinksOptions& options) { options.guests_max = 2; });
  Start(b_);
  TestSocket one = Knock(b_, 11);
  EXPECT_EQ(AnswerTo(one, b_), kGuestLink);
  TestSocket two = Knock(b_, 12);
  EXPECT_EQ(AnswerTo(two, b_), kGuestLink);
  TestSocket three = Knock(b_, 13);
  EXPECT_EQ(AnswerTo(three, b_), kRefusedLink);
  EXPECT_TRUE(b_->log.Has({"stranger_refused", "'n13' is one guest too many"})) << b_->log.Text();

  TestSocket one_again = Knock(b_, 11);
  EXPECT_EQ(AnswerTo(one_again, b_), kGuestLink);
  EXPECT_TRUE(Until({&b_}, [&] { return !one.ReceiveSome(); }));
  EXPECT_THAT(b_->recorder.guests, ElementsAre("+11", "+12", "-11", "+11"));
  EXPECT_EQ(b_->links->guest_stats().links, 2u);

  two.Close();
  ASSERT_TRUE(Until({&b_}, [&] { return b_->recorder.guests.back() == "-12"; }));
  TestSocket three_again = Knock(b_, 13);
  EXPECT_EQ(AnswerTo(three_again, b_), kGuestLink);
}

// Goal: a guest stays for a limited time, however alive it is, and both sides are told.
TEST_F(PeerLinksGuestsTest, AGuestsTimeIsLimited) {
  const auto change = [](PeerLinksOptions& options) {
    options.ping_interval = Duration::Millis(20);
    options.guest_time_max = Duration::Millis(200);
  };
  b_ = MakeHost(2, {}, change);
  a_ = MakeHost(1);
  Start(a_);
  Start(b_);
  a_->links->ConnectGuest(AddressOf(b_));
  ASSERT_TRUE(Until({&a_, &b_}, [&] { return !b_->recorder.guests.empty(); }));
  const Instant up = b_->reactor->now().instant;
  ASSERT_TRUE(Until({&a_, &b_}, [&] {
    return b_->recorder.guests.size() == 2 && a_->recorder.guests.size() == 2;
  }));
  EXPECT_GE(b_->reactor->now().instant - up, Duration::Millis(200));
  EXPECT_THAT(b_->recorder.guest_reasons, ElementsAre(HasSubstr("time is over")));
  EXPECT_TRUE(a_->recorder.unreachable.empty()) << "it was reached";
  // And may come again.
  EXPECT_TRUE(a_->links->ConnectGuest(AddressOf(b_)));
  EXPECT_TRUE(Until({&a_, &b_}, [&] { return a_->recorder.guests.size() == 3; }));
}

// Goal: a guest that falls silent is cut, and keepalives hold one that has nothing to say.
TEST_F(PeerLinksGuestsTest, ASilentGuestIsCut) {
  b_ = MakeHost(2, {}, [](PeerLinksOptions& options) {
    options.ping_interval = Duration::Millis(20);
    options.link_timeout = Duration::Millis(300);
  });
  a_ = MakeHost(1, {},
                [](PeerLinksOptions& options) { options.ping_interval = Duration::Millis(20); });
  Start(a_);
  Start(b_);
  a_->links->ConnectGuest(AddressOf(b_));
  TestSocket frozen = Knock(b_, 7);
  ASSERT_TRUE(Until({&a_, &b_}, [&] { return b_->recorder.guests.size() == 3; }));
  EXPECT_EQ(b_->recorder.guests.back(), "-7");
  EXPECT_THAT(b_->recorder.guest_reasons, ElementsAre(HasSubstr("silent for")));
}

// Goal: a node that takes another for a peer, which does not know it, is its guest: neither thinks
// that the other listens as a peer. Once both agree the same link is dialed again for peers; and
// one that is removed, and does not know it yet, is a guest again.
TEST_F(PeerLinksGuestsTest, OneThatTakesItselfForAPeerIsAGuestUntilItIsOne) {
  b_ = MakeHost(2, {}, {}, 2);
  a_ = MakeHost(1, {{2, b_.port}}, {}, 2);
  Start(a_);
  Start(b_);
  ASSERT_TRUE(Until({&a_, &b_},
                    [&] { return !a_->recorder.guests.empty() && !b_->recorder.guests.empty(); }));
  EXPECT_THAT(a_->recorder.guests, ElementsAre("+2"));
  EXPECT_THAT(b_->recorder.guests, ElementsAre("+1"));
  EXPECT_THAT(a_->Stats(2).last_problem, HasSubstr("takes this node for a guest"));
  EXPECT_TRUE(a_->links->SendToGuest(NodeId(2), Get(1)));
  ASSERT_TRUE(Until({&a_, &b_}, [&] { return b_->recorder.guest_frames.size() == 1; }));
  // The links of the other shards are refused: one link is enough for a guest.
  ASSERT_TRUE(Until({&a_, &b_}, [&] { return a_[1].Stats(2).refused > 0; }));
  EXPECT_TRUE(a_->recorder.changes.empty() && a_[1].recorder.changes.empty());

  // What was said to the guest before it became a peer still arrives.
  EXPECT_TRUE(b_->links->SendToGuest(NodeId(1), Get(5)));
  for (auto& shard : b_.shards) shard->links->AddPeer({NodeId(1), NameOf(1), AddressOf(a_)});
  EXPECT_THAT(b_->recorder.guests, ElementsAre("+1", "-1"));
  ASSERT_TRUE(Until({&a_, &b_}, [&] {
    return a_[0].Stats(2).up && a_[1].Stats(2).up && b_[0].Stats(1).up && b_[1].Stats(1).up;
  }));
  EXPECT_THAT(a_->recorder.guests, ElementsAre("+2", "-2"));
  EXPECT_THAT(a_->recorder.changes, ElementsAre("+2"));
  ASSERT_EQ(a_->recorder.guest_frames.size(), 1u);
  EXPECT_EQ(IdOf(a_->recorder.guest_frames[0]), 5u);
  EXPECT_EQ(a_->Stats(2).last_problem, "");

  for (auto& shard : b_.shards) shard->links->RemovePeer(NodeId(1));
  ASSERT_TRUE(Until({&a_, &b_}, [&] { return a_->recorder.guests.size() == 3; }));
  EXPECT_THAT(a_->recorder.changes, ElementsAre("+2", "-2"));
  EXPECT_THAT(b_->recorder.guests, ElementsAre("+1", "-1", "+1"));
  // The one that dials takes the other off its list too: all is quiet.
  for (auto& shard : a_.shards) shard->links->RemovePeer(NodeId(2));
  EXPECT_THAT(a_->recorder.guests, ElementsAre("+2", "-2", "+2", "-2"));
  EXPECT_TRUE(Until({&a_, &b_}, [&] { return b_->recorder.guests.back() == "-1"; }));
}

// Goal: where the one that dials lets no guests in, it takes a guest's link for a refused one.
TEST_F(PeerLinksGuestsTest, APeerThatTakesUsForAGuestIsNotUp) {
  b_ = MakeHost(2);
  a_ = MakeNode(1, {{2, b_.port}});
  Start(a_);
  Start(b_);
  ASSERT_TRUE(Until({&a_, &b_}, [&] { return a_->Stats(2).refused >= 2; }));
  EXPECT_TRUE(a_->log.Has({"peer_refused", "takes this node for a guest"})) << a_->log.Text();
  EXPECT_TRUE(a_->recorder.changes.empty() && a_->recorder.guests.empty());
}

// Goal: a seed that is a peer already is a guest besides; the peers' link is not touched.
TEST_F(PeerLinksGuestsTest, APeerMayBeAGuestToo) {
  b_ = MakeHost(2, {{1, 1}});
  a_ = MakeHost(1, {{2, b_.port}});
  Start(a_);
  Start(b_);
  ASSERT_TRUE(Until({&a_, &b_}, [&] { return a_->Stats(2).up && b_->Stats(1).up; }));
  a_->links->ConnectGuest(AddressOf(b_));
  b_->links->ConnectGuest(AddressOf(a_));  // both at once: two links, both stay
  ASSERT_TRUE(Until({&a_, &b_}, [&] {
    return a_->links->guest_stats().links == 2 && b_->links->guest_stats().links == 2;
  }));
  TurnMany({&a_, &b_}, 20);
  EXPECT_THAT(a_->recorder.guests, ElementsAre("+2"));
  EXPECT_THAT(b_->recorder.guests, ElementsAre("+1"));
  EXPECT_THAT(a_->recorder.changes, ElementsAre("+2"));
  EXPECT_TRUE(a_->links->Send(NodeId(2), Get(1)));
  EXPECT_TRUE(a_->links->SendToGuest(NodeId(2), Get(2)));
  ASSERT_TRUE(Until({&a_, &b_}, [&] {
    return b_->recorder.frames.size() == 1 && b_->recorder.guest_frames.size() == 1;
  }));
  // The guests' links are their own.
  a_->links->RemovePeer(NodeId(2));
  EXPECT_THAT(a_->recorder.changes, ElementsAre("+2", "-2"));
  EXPECT_THAT(a_->recorder.guests, ElementsAre("+2"));
}

// Goal: whichever shard accepts a guest, the first one gets it, and asks whether it may come in.
TEST_F(PeerLinksGuestsTest, GuestsAreTheFirstShards) {
  b_ = MakeHost(2, {}, {}, 3);
  const std::uint16_t last_port = b_[2].links->Listen(Loopback(), /*reuse_port=*/false)->port();
  a_ = MakeHost(1);
  Start(a_);
  Start(b_);
  a_->links->ConnectGuest("127.0.0.1:" + std::to_string(last_port));
  ASSERT_TRUE(Until({&a_, &b_}, [&] { return !a_->recorder.guests.empty(); }));
  EXPECT_THAT(b_[0].recorder.guests, ElementsAre("+1"));
  EXPECT_TRUE(b_[2].recorder.guests.empty());
  EXPECT_TRUE(b_->links->SendToGuest(NodeId(1), Get(1)));
  EXPECT_TRUE(Until({&a_, &b_}, [&] { return a_->recorder.guest_frames.size() == 1; }));
}

// Goal: an owner may act at once on what it is told of guests: make it a peer, dial again. (The
// address sanitizer watches.)
TEST_F(PeerLinksGuestsTest, WhatIsToldOfGuestsMayChangeThem) {
  b_ = MakeHost(2);
  a_ = MakeHost(1, {{2, b_.port}});
  b_->recorder.on_guest = [&](const std::string& what) {
    if (what == "+1") b_->links->AddPeer({NodeId(1), NameOf(1), AddressOf(a_)});
  };
  Start(a_);
  Start(b_);
  ASSERT_TRUE(Until({&a_, &b_}, [&] { return a_->Stats(2).up && b_->Stats(1).up; }));
  EXPECT_THAT(b_->recorder.guests, ElementsAre("+1", "-1"));

  // Down, for another link that replaces it: the guest becomes a peer within that.
  TestSocket older = Knock(b_, 3);
  AnswerTo(older, b_);
  b_->recorder.on_guest = [&](const std::string& what) {
    if (what == "-3") b_->links->AddPeer({NodeId(3), NameOf(3), "127.0.0.1:1"});
  };
  TestSocket newer = Knock(b_, 3);
  AnswerTo(newer, b_);
  EXPECT_TRUE(Until({&b_}, [&] { return !older.ReceiveSome(); }));
  EXPECT_THAT(b_->recorder.guests, ElementsAre("+1", "-1", "+3", "-3", "+3"));

  int again = 0;
  a_->recorder.on_guest = [&](const std::string& what) {
    if (what == "-9" && again++ == 0) a_->links->ConnectGuest(AddressOf(b_));
  };
  TestNode c = MakeHost(9);
  a_->links->ConnectGuest(AddressOf(c));
  ASSERT_TRUE(Until({&a_, &c}, [&] { return a_->recorder.guests.back() == "+9"; }));
  c = {};
  EXPECT_TRUE(Until({&a_, &b_}, [&] { return a_->recorder.guests.back() == "+2"; }));
}

}  // namespace
}  // namespace gyre
