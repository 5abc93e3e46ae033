// Links between nodes over loopback: two or three nodes in one process.
#include "net/peer_links.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/codec.h"
#include "base/hash.h"
#include "net/frame_reader.h"
#include "net/peer_links_test_util.h"

namespace gyre {
namespace {

using testing::ElementsAre;

// Goal: the smaller id dials, frames go both ways over that one link, in order.
TEST_F(PeerLinksTest, FramesGoBothWaysOverOneLink) {
  MakePair();
  for (std::uint64_t i = 1; i <= 100; ++i) {
    EXPECT_TRUE(a_->links->Send(NodeId(2), Get(i)));
    EXPECT_TRUE(b_->links->Send(NodeId(1), Reply(i, ShardId(0))));
  }
  ASSERT_TRUE(Until({&a_, &b_}, [&] {
    return a_->recorder.frames.size() == 100 && b_->recorder.frames.size() == 100;
  }));
  for (std::uint64_t i = 1; i <= 100; ++i) {
    EXPECT_EQ(IdOf(a_->recorder.frames[i - 1]), i);
    EXPECT_EQ(IdOf(b_->recorder.frames[i - 1]), i);
  }
  EXPECT_EQ(a_->recorder.froms[0], NodeId(2));
  EXPECT_EQ(b_->recorder.froms[0], NodeId(1));
  EXPECT_EQ(a_->reactor->stats().dialed, 1u);
  EXPECT_EQ(b_->reactor->stats().dialed, 0u);
  EXPECT_EQ(a_->Stats(2).frames_sent, 100u);
  EXPECT_EQ(a_->Stats(2).frames_received, 100u);
  EXPECT_EQ(a_->Stats(2).links, 1u);
}

// Goal: all frames of one turn leave in one write.
TEST_F(PeerLinksTest, FramesOfOneTurnLeaveInOneWrite) {
  MakePair();
  const std::uint64_t writes = a_->reactor->stats().writes;
  for (std::uint64_t i = 1; i <= 50; ++i) a_->links->Send(NodeId(2), Get(i));
  a_->reactor->RunOnce(Duration{});
  EXPECT_EQ(a_->reactor->stats().writes - writes, 1u);
}

// Goal: a record as large as a value may be arrives whole.
TEST_F(PeerLinksTest, CarriesALargeRecord) {
  MakePair();
  a_->links->Send(NodeId(2), Reply(1, ShardId(0), 8 * 1024 * 1024));
  a_->links->Send(NodeId(2), Get(2));
  ASSERT_TRUE(Until({&a_, &b_}, [&] { return b_->recorder.frames.size() == 2; }));
  const auto& reply = std::get<ReplicaGetReply>(b_->recorder.frames[0].message);
  EXPECT_EQ(reply.record, Bytes(std::string(8 * 1024 * 1024, 'r')));
}

// Goal: after the peer has gone and come back on the same port, the link is there again by itself.
TEST_F(PeerLinksTest, ReconnectsAfterThePeerRestarts) {
  MakePair();
  const std::uint16_t port = b_.port;
  b_ = {};
  ASSERT_TRUE(Until({&a_}, [&] { return a_->recorder.changes.size() == 2; }));
  EXPECT_THAT(a_->recorder.changes, ElementsAre("+2", "-2"));
  EXPECT_FALSE(a_->links->Send(NodeId(2), Get(1)));
  EXPECT_EQ(a_->Stats(2).frames_dropped, 1u);
  ASSERT_TRUE(Until({&a_}, [&] {
    return a_->log.Has({"peer_unreachable", "Connection refused"});
  }));
  // Many attempts, one line.
  const std::uint64_t dialed = a_->reactor->stats().dialed;
  ASSERT_TRUE(Until({&a_}, [&] { return a_->reactor->stats().dialed >= dialed + 3; }));
  EXPECT_EQ(a_->log.Count({"peer_unreachable", "Connection refused"}), 1u);

  b_ = MakeNode(2, {{1, 1}}, 1, {}, port);
  Start(b_);
  ASSERT_TRUE(Until({&a_, &b_}, [&] { return a_->recorder.changes.size() == 3; }));
  EXPECT_THAT(a_->recorder.changes, ElementsAre("+2", "-2", "+2"));
  EXPECT_EQ(a_->Stats(2).reconnects, 1u);
  EXPECT_EQ(a_->Stats(2).last_problem, "");
  EXPECT_TRUE(a_->links->Send(NodeId(2), Get(2)));
  EXPECT_TRUE(Until({&a_, &b_}, [&] { return b_->recorder.frames.size() == 1; }));
}

// Goal: a node of another cluster is refused by name and reason on both sides, and nobody is up.
TEST_F(PeerLinksTest, RefusesAnotherCluster) {
  b_ = MakeNode(2, {{1, 1}}, 1, [](PeerLinksOptions& options) { options.cluster = "other"; });
  a_ = MakeNode(1, {{2, b_.port}});
  Start(a_);
  Start(b_);
  ASSERT_TRUE(
      Until({&a_, &b_}, [&] { return a_->Stats(2).refused >= 2 && b_->Stats(1).refused >= 2; }));
  EXPECT_TRUE(a_->recorder.changes.empty());
  EXPECT_TRUE(b_->recorder.changes.empty());
  EXPECT_EQ(a_->log.Count({"peer_refused", "cluster 'other'", "peer=n2"}), 1u) << a_->log.Text();
  EXPECT_EQ(b_->log.Count({"peer_refused", "cluster 'test'", "peer=n1"}), 1u) << b_->log.Text();
  EXPECT_THAT(a_->Stats(2).last_problem, testing::HasSubstr("cluster 'other'"));
}

// Goal: a link speaks the highest version that both ends have, whichever of them is the older.
TEST_F(PeerLinksTest, SettlesOnTheHighestVersionOfBoth) {
  constexpr std::uint16_t kOld = 3, kNew = 5;
  for (const std::uint16_t version_of_b : {kOld, kNew}) {
    const auto speaks = [](std::uint16_t max) {
      return [max](PeerLinksOptions& options) { options.versions.max = max; };
    };
    b_ = MakeNode(2, {{1, 1}}, 1, speaks(version_of_b));
    a_ = MakeNode(1, {{2, b_.port}}, 1, speaks(4));
    Start(a_);
    Start(b_);
    ASSERT_TRUE(Until({&a_, &b_}, [&] {
      return a_->recorder.terms.size() == 1 && b_->recorder.terms.size() == 1;
    }));
    EXPECT_EQ(a_->recorder.terms[0].version, std::min<std::uint16_t>(version_of_b, 4));
    EXPECT_EQ(b_->recorder.terms[0].version, a_->recorder.terms[0].version);
    EXPECT_EQ(a_->recorder.terms[0].peer_version_max, version_of_b);
    EXPECT_EQ(b_->recorder.terms[0].peer_version_max, 4);
  }
}

// Goal: once the cluster uses what an older node cannot read, that one is cut off, and both logs
// name both ranges.
TEST_F(PeerLinksTest, RefusesWhoIsTooOldFromNowOn) {
  b_ = MakeNode(2, {{1, 1}}, 1, [](PeerLinksOptions& options) { options.versions.max = 3; });
  a_ = MakeNode(1, {{2, b_.port}});
  Start(a_);
  Start(b_);
  ASSERT_TRUE(Until({&a_, &b_}, [&] { return a_->recorder.terms.size() == 1; }));
  a_->links->RequireVersion(3);  // as it is
  EXPECT_THAT(a_->recorder.changes, testing::ElementsAre("+2"));
  a_->links->RequireVersion(4);
  EXPECT_THAT(a_->recorder.changes, testing::ElementsAre("+2", "-2"));
  ASSERT_TRUE(
      Until({&a_, &b_}, [&] { return a_->Stats(2).refused >= 1 && b_->Stats(1).refused >= 1; }));
  const std::string newer = "4 to " + std::to_string(kProtocolVersion);
  EXPECT_TRUE(a_->log.Has({"peer_refused", "versions 3 to 3, this node " + newer}))
      << a_->log.Text();
  EXPECT_TRUE(b_->log.Has({"peer_refused", "versions " + newer + ", this node 3 to 3"}))
      << b_->log.Text();
}

// Goal: each difference that would make talking wrong is found in the handshake and named.
TEST_F(PeerLinksTest, RefusesWhatDoesNotFit) {
  struct Case {
    std::string words;
    std::function<void(Handshake&)> change;
  };
  const std::vector<Case> cases = {
      {"protocol versions 7 to 9",
       [](Handshake& handshake) { handshake.version_min = 7, handshake.version_max = 9; }},
      {"members", [](Handshake& handshake) { handshake.ring_digest = 43; }},
      {"claims to be this node", [](Handshake& handshake) { handshake.node_id = NodeId(2); }},
      {"'stranger' is not in this node's list",
       [](Handshake& handshake) { handshake.node = "stranger", handshake.node_id = NodeId(77); }},
      {"calls itself 'liar' with the id of 'n1'",
       [](Handshake& handshake) { handshake.node = "liar"; }},
      {"this node has to", [this](Handshake& handshake) { handshake = HandshakeOf(3); }},
      {"more than there are", [](Handshake& handshake) { handshake.link_index = 1; }},
      {"5000 shards", [](Handshake& handshake) { handshake.shard_count = 5'000; }},
  };
  for (const Case& one : cases) {
    TestNode node = MakeNode(2, {{1, 1}, {3, 1}});
    Handshake handshake = HandshakeOf(1);
    one.change(handshake);
    TestSocket peer(node.port);
    peer.SendSome(EncodeHandshake(handshake));
    EXPECT_TRUE(Until({&node}, [&] { return !peer.ReceiveSome(); })) << one.words;
    EXPECT_TRUE(node->log.Has({"refused", one.words})) << one.words << "\n" << node->log.Text();
    EXPECT_TRUE(node->recorder.changes.empty()) << one.words;
    std::uint64_t counted = node->links->strangers_refused();
    for (const LinkStats& stats : node->links->Stats()) counted += stats.refused;
    EXPECT_EQ(counted, 1u) << one.words;
    // It is told who it talked to, so that its own log can name the difference too.
    std::size_t used = 0;
    EXPECT_TRUE(DecodeHandshake(peer.received(), used).value().has_value()) << one.words;
  }
}

// Goal: the dialer checks who answers: a node under another's address is not taken for it.
TEST_F(PeerLinksTest, RefusesAnAnswerFromTheWrongNode) {
  b_ = MakeNode(3, {{1, 1}, {2, 1}});
  a_ = MakeNode(1, {{2, b_.port}, {3, 1}});
  Start(a_);
  ASSERT_TRUE(Until({&a_, &b_}, [&] { return a_->Stats(2).refused >= 1; }));
  EXPECT_TRUE(a_->log.Has({"peer_refused", "answers 'n3', not 'n2'"})) << a_->log.Text();
  EXPECT_TRUE(a_->recorder.changes.empty());
}

// Goal: garbage on the peer port (a browser, a scanner) is hung up on at once, counted, logged, and
// gets no answer.
TEST_F(PeerLinksTest, GarbageIsHungUpOn) {
  b_ = MakeNode(2, {{1, 1}});
  TestSocket browser(b_.port);
  browser.SendSome("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(Until({&b_}, [&] { return !browser.ReceiveSome(); }));
  EXPECT_EQ(browser.received(), "");
  EXPECT_EQ(b_->links->strangers_refused(), 1u);
  EXPECT_TRUE(b_->log.Has({"stranger_refused", "127.0.0.1"})) << b_->log.Text();
  EXPECT_TRUE(Until({&b_}, [&] { return b_->reactor->stats().connections == 0; }));
}

// Goal: a connection that says nothing is closed when its time for the handshake is over.
TEST_F(PeerLinksTest, SilenceBeforeTheHandshakeIsCut) {
  b_ = MakeNode(2, {{1, 1}}, 1, [](PeerLinksOptions& options) {
    options.handshake_timeout = Duration::Millis(80);
  });
  Start(b_);
  TestSocket silent(b_.port);
  EXPECT_TRUE(Until({&b_}, [&] { return !silent.ReceiveSome(); }));
  EXPECT_EQ(b_->links->strangers_refused(), 1u);
}

// Goal: a dialed address that accepts and never answers (a hung process) is tried again.
TEST_F(PeerLinksTest, ADialThatIsNotAnsweredIsTriedAgain) {
  const UniqueFd hung = ListenSocket(Loopback(), /*reuse_port=*/false, 16).value();
  a_ = MakeNode(1, {{2, LocalAddress(hung.get()).port()}}, 1, [](PeerLinksOptions& options) {
    options.handshake_timeout = Duration::Millis(50);
  });
  Start(a_);
  EXPECT_TRUE(Until({&a_}, [&] { return a_->reactor->stats().dialed >= 3; }));
  EXPECT_THAT(a_->Stats(2).last_problem, testing::HasSubstr("no handshake in time"));
  EXPECT_TRUE(a_->recorder.changes.empty());
}

// Goal: a frame whose checksum fails closes the link before its content is looked at; the peer is
// named; the frames before it count, those behind it do not.
TEST_F(PeerLinksTest, ABadFrameClosesTheLink) {
  b_ = MakeNode(2, {{1, 1}});
  Start(b_);
  TestSocket peer = FakePeer(b_);
  std::string good = EncodeFrame(Get(1)).ToString();
  std::string bad = EncodeFrame(Get(2)).ToString();
  bad[bad.size() - 1] ^= 1;
  peer.SendSome(good + bad + good);
  EXPECT_TRUE(Until({&b_}, [&] { return !peer.ReceiveSome(); }));
  EXPECT_TRUE(Until({&b_}, [&] { return b_->recorder.changes.size() == 2; }));
  EXPECT_THAT(b_->recorder.changes, ElementsAre("+1", "-1"));
  EXPECT_EQ(b_->recorder.frames.size(), 1u);
  EXPECT_EQ(b_->Stats(1).frames_bad, 1u);
  EXPECT_TRUE(b_->log.Has({"peer_link_down", "bad frame", "peer=n1"})) << b_->log.Text();
}

// Goal: a length that cannot be closes the link too, and takes no memory.
TEST_F(PeerLinksTest, AnImpossibleLengthClosesTheLink) {
  b_ = MakeNode(2, {{1, 1}});
  Start(b_);
  TestSocket peer = FakePeer(b_);
  peer.SendSome(std::string(8, '\xFF'));
  EXPECT_TRUE(Until({&b_}, [&] { return !peer.ReceiveSome(); }));
  EXPECT_EQ(b_->Stats(1).frames_bad, 1u);
}

// Goal: a sound frame of a type from the future is skipped, and the link goes on.
TEST_F(PeerLinksTest, UnknownTypesAreSkipped) {
  b_ = MakeNode(2, {{1, 1}});
  Start(b_);
  TestSocket peer = FakePeer(b_);
  std::string body = "\xF0" + std::string(20, '\xFF');
  std::string unknown(kFrameHeaderBytes, '\0');
  Writer writer(unknown.data());
  writer.U32(static_cast<std::uint32_t>(body.size()));
  writer.U32(Crc32c(body));
  peer.SendSome(unknown + body + EncodeFrame(Get(5)).ToString());
  ASSERT_TRUE(Until({&b_}, [&] { return b_->recorder.frames.size() == 1; }));
  EXPECT_EQ(IdOf(b_->recorder.frames[0]), 5u);
  EXPECT_EQ(b_->Stats(1).frames_unknown, 1u);
  EXPECT_TRUE(b_->Stats(1).up);
}

// Goal: frames may come in any pieces, the handshake too.
TEST_F(PeerLinksTest, BytesMayComeOneByOne) {
  b_ = MakeNode(2, {{1, 1}});
  Start(b_);
  TestSocket peer(b_.port);
  const std::string stream =
      EncodeHandshake(HandshakeOf(1)) + EncodeFrame(Get(1)).ToString() + KeepaliveFrame(ShardId(0));
  for (const char byte : stream) {
    peer.SendSome(std::string_view(&byte, 1));
    b_->reactor->RunOnce(Duration{});
  }
  EXPECT_TRUE(Until({&b_}, [&] { return b_->recorder.frames.size() == 1; }));
  EXPECT_TRUE(b_->Stats(1).up);
}

// Goal: a peer that went silent after the handshake (frozen, or its packets are swallowed) is
// noticed and cut; nothing but its silence tells.
TEST_F(PeerLinksTest, ASilentPeerIsCut) {
  b_ = MakeNode(2, {{1, 1}}, 1, [](PeerLinksOptions& options) {
    options.ping_interval = Duration::Millis(20);
    options.link_timeout = Duration::Millis(150);
  });
  Start(b_);
  TestSocket frozen = FakePeer(b_);
  const Instant up = b_->reactor->now().instant;
  ASSERT_TRUE(Until({&b_}, [&] { return b_->recorder.changes.size() == 2; }));
  EXPECT_GE(b_->reactor->now().instant - up, Duration::Millis(150));
  EXPECT_EQ(b_->Stats(1).silences, 1u);
  EXPECT_THAT(b_->recorder.reasons[0], testing::HasSubstr("silent for"));
}

// Goal: two idle nodes keep their link by keepalives alone, well past the timeout.
TEST_F(PeerLinksTest, KeepalivesHoldAnIdleLink) {
  MakePair([](PeerLinksOptions& options) {
    options.ping_interval = Duration::Millis(20);
    options.link_timeout = Duration::Millis(1'000);
  });
  const Instant start = a_->reactor->now().instant;
  ASSERT_TRUE(Until({&a_, &b_},
                    [&] { return a_->reactor->now().instant - start > Duration::Millis(2'000); }));
  EXPECT_THAT(a_->recorder.changes, ElementsAre("+2"));
  EXPECT_THAT(b_->recorder.changes, ElementsAre("+1"));
  EXPECT_EQ(a_->Stats(2).frames_received, 0u);
}

// Goal: a node that was stopped itself does not blame its peers for the time it did not listen.
TEST_F(PeerLinksTest, OwnStallIsNotThePeersSilence) {
  MakePair([](PeerLinksOptions& options) {
    options.ping_interval = Duration::Millis(20);
    options.link_timeout = Duration::Millis(500);
  });
  // Neither turns for a while, as in a paused virtual machine.
  NewReactor()->RunOnce(Duration::Millis(700));
  TurnMany({&a_, &b_}, 100);
  EXPECT_THAT(a_->recorder.changes, ElementsAre("+2"));
  EXPECT_THAT(b_->recorder.changes, ElementsAre("+1"));
}

// Goal: a peer that reads too slowly is reported down once its queue is full, frames to it are
// dropped and counted, memory is bounded, and it is up again when the queue has drained.
TEST_F(PeerLinksTest, ACongestedLinkGoesDownAndRecovers) {
  b_ = MakeNode(2, {{1, 1}}, 1, [](PeerLinksOptions& options) {
    options.queue_bytes_max = 8'000'000;
    options.queue_bytes_resume = 1'000'000;
  });
  Start(b_);
  TestSocket slow = FakePeer(b_);
  std::uint64_t sent = 0;
  ASSERT_TRUE(Until({&b_}, [&] {
    for (int i = 0; i < 20; ++i) {
      if (b_->links->Send(NodeId(1), Reply(sent + 1, ShardId(0), 100'000))) ++sent;
    }
    slow.SendSome(KeepaliveFrame(ShardId(0)));
    return b_->recorder.changes.size() == 2;
  }));
  EXPECT_THAT(b_->recorder.changes, ElementsAre("+1", "-1"));
  EXPECT_EQ(b_->recorder.reasons[0], "congested");
  EXPECT_FALSE(b_->links->Send(NodeId(1), Get(1)));
  LinkStats stats = b_->Stats(1);
  EXPECT_GT(stats.frames_dropped, 0u);
  EXPECT_LE(stats.queued_bytes, 8'200'000u);
  EXPECT_EQ(stats.congestions, 1u);
  EXPECT_EQ(stats.links, 1u);  // the link itself is there all the time

  ASSERT_TRUE(Until({&b_}, [&] {
    slow.ReceiveSome();
    return b_->recorder.changes.size() == 3;
  }));
  EXPECT_THAT(b_->recorder.changes, ElementsAre("+1", "-1", "+1"));
  EXPECT_EQ(b_->Stats(1).connects, 1u);
  EXPECT_TRUE(b_->links->Send(NodeId(1), Reply(++sent, ShardId(0), 1)));
  // What was accepted arrives, whole and in order: each frame once.
  std::uint64_t arrived = 0;
  ASSERT_TRUE(Until({&b_}, [&] {
    slow.ReceiveAll();
    FrameReader reader(slow.received());
    while (true) {
      const auto frame = reader.Next().value();
      if (!frame) break;
      if (IsKeepalive(*frame)) continue;
      EXPECT_EQ(IdOf(DecodeFrameBody(frame->header, frame->body).value()), ++arrived);
    }
    slow.mutable_received().erase(0, reader.used());
    return arrived == sent;
  }));
}

// Goal: when a peer dials a link that it has already (it restarted, its old end is not yet known to
// be dead), the newer one wins: the old is closed and the owner hears of it.
TEST_F(PeerLinksTest, TheNewerLinkReplacesTheOlder) {
  b_ = MakeNode(2, {{1, 1}});
  Start(b_);
  TestSocket older = FakePeer(b_);
  TestSocket newer = FakePeer(b_);
  EXPECT_TRUE(Until({&b_}, [&] { return !older.ReceiveSome(); }));
  EXPECT_THAT(b_->recorder.changes, ElementsAre("+1", "-1", "+1"));
  EXPECT_EQ(b_->Stats(1).links, 1u);
  EXPECT_EQ(b_->Stats(1).reconnects, 1u);
  newer.SendSome(EncodeFrame(Get(9)).ToString());
  EXPECT_TRUE(Until({&b_}, [&] { return b_->recorder.frames.size() == 1; }));
}

// Goal: with 2 shards on each side, link i joins shard i with shard i, whichever shard accepted,
// and a reply goes by the link of the shard that asked.
TEST_F(PeerLinksTest, LinksAreHandedOverToTheirShards) {
  b_ = MakeNode(2, {{1, 1}}, 2);
  a_ = MakeNode(1, {{2, b_.port}}, 2);
  Start(a_);
  Start(b_);
  ASSERT_TRUE(Until({&a_, &b_}, [&] {
    return a_[0].Stats(2).up && a_[1].Stats(2).up && b_[0].Stats(1).up && b_[1].Stats(1).up;
  }));
  a_[1].links->Send(NodeId(2), Get(11));
  b_[0].links->Send(NodeId(1), Get(20));
  ASSERT_TRUE(Until({&a_, &b_}, [&] {
    return b_[1].recorder.frames.size() == 1 && a_[0].recorder.frames.size() == 1;
  }));
  EXPECT_EQ(b_[0].recorder.frames.size(), 0u);
  EXPECT_EQ(a_[1].recorder.frames.size(), 0u);
}

// Goal: nodes with different numbers of shards still give each shard a link: the dialer learns the
// other's number and dials the missing ones.
TEST_F(PeerLinksTest, UnequalShardCountsLeaveNoShardAlone) {
  for (const auto& [a_shards, b_shards] : {std::pair(1, 3), std::pair(3, 1), std::pair(2, 3)}) {
    b_ = MakeNode(2, {{1, 1}}, b_shards);
    a_ = MakeNode(1, {{2, b_.port}}, a_shards);
    Start(a_);
    Start(b_);
    const auto links = [](TestNode& node, std::uint32_t peer) {
      std::uint64_t count = 0;
      std::uint64_t least = UINT64_MAX;
      for (auto& shard : node.shards) {
        count += shard->Stats(peer).links;
        least = std::min(least, shard->Stats(peer).links);
      }
      return std::pair(count, least);
    };
    const auto count = static_cast<std::uint64_t>(std::max(a_shards, b_shards));
    EXPECT_TRUE(Until({&a_, &b_},
                      [&] { return links(a_, 2).first == count && links(b_, 1).first == count; }))
        << a_shards << " and " << b_shards;
    EXPECT_GE(links(a_, 2).second, 1u);
    EXPECT_GE(links(b_, 1).second, 1u);
    a_ = {};
    b_ = {};
  }
}

// Goal: a reply takes the link that ends at the shard that asked, when there are several.
TEST_F(PeerLinksTest, RepliesTakeTheLinkOfTheShardThatAsked) {
  b_ = MakeNode(2, {{1, 1}}, 1);
  a_ = MakeNode(1, {{2, b_.port}}, 3);
  Start(a_);
  Start(b_);
  ASSERT_TRUE(Until({&a_, &b_}, [&] { return b_->Stats(1).links == 3; }));
  for (std::uint16_t shard = 0; shard < 3; ++shard) {
    b_->links->Send(NodeId(1), Reply(shard, ShardId(shard)));
  }
  ASSERT_TRUE(Until({&a_, &b_}, [&] {
    return a_[0].recorder.frames.size() + a_[1].recorder.frames.size() +
               a_[2].recorder.frames.size() ==
           3;
  }));
  for (std::uint16_t shard = 0; shard < 3; ++shard) {
    ASSERT_EQ(a_[shard].recorder.frames.size(), 1u);
    EXPECT_EQ(IdOf(a_[shard].recorder.frames[0]), shard);
  }
}

// Goal: three nodes, each pair one link.
TEST_F(PeerLinksTest, ThreeNodesAreAllConnected) {
  TestNode c = MakeNode(3, {{1, 1}, {2, 1}});
  b_ = MakeNode(2, {{1, 1}, {3, c.port}});
  a_ = MakeNode(1, {{2, b_.port}, {3, c.port}});
  Start(a_);
  Start(b_);
  Start(c);
  EXPECT_TRUE(Until({&a_, &b_, &c}, [&] {
    return a_->recorder.changes.size() == 2 && b_->recorder.changes.size() == 2 &&
           c->recorder.changes.size() == 2;
  }));
  EXPECT_EQ(a_->reactor->stats().connections + b_->reactor->stats().connections +
                c->reactor->stats().connections,
            6u);
}

// Goal: peers may be given by host name; a name that does not resolve is a problem that is told.
TEST_F(PeerLinksTest, PeersMayBeGivenByName) {
  b_ = MakeNode(2, {{1, 1}, {3, 1}});
  a_ = MakeNode(1, {{2, 1}, {3, 1}}, 1, [&](PeerLinksOptions& options) {
    options.peers[0].address = "localhost:" + std::to_string(b_.port);
    options.peers[1].address = "nowhere";
  });
  Start(a_);
  Start(b_);
  EXPECT_TRUE(
      Until({&a_, &b_}, [&] { return a_->Stats(2).up && !a_->Stats(3).last_problem.empty(); }));
  EXPECT_TRUE(a_->log.Has({"peer_unreachable", "want host:port", "peer=n3"})) << a_->log.Text();
}

}  // namespace
}  // namespace gyre
