// Links in TLS, between real sockets: who gets one, who is refused, and what is told of it.
#include "net/peer_links_test_util.h"
#include "net/tls_test_util.h"

namespace gyre {
namespace {

class PeerLinksSecurityTest : public PeerLinksTest {
 protected:
  using Change = std::function<void(PeerLinksOptions&)>;
  // Node 1, which dials, and node 2; each with options of its own.
  void MakeTwo(const Change& change_a, const Change& change_b, int shards = 1) {
    b_ = MakeNode(2, {{1, 1}}, shards, change_b);
    a_ = MakeNode(1, {{2, b_.port}}, shards, change_a);
    Start(a_);
    Start(b_);
  }
  bool BothUp() {
    return Until({&a_, &b_},
                 [&] { return !a_->recorder.changes.empty() && !b_->recorder.changes.empty(); });
  }
  Change Tls(LinkScope encrypt, bool accept_plain = false) {
    return [this, encrypt, accept_plain](PeerLinksOptions& options) {
      // The shards of one node share theirs.
      auto& context = contexts_[options.self_name];
      if (context == nullptr) context = ca_.Context(options.self_name);
      options.security = {context, encrypt, accept_plain, /*verify_name=*/true};
    };
  }

  TestAuthority ca_;
  std::map<std::string, std::shared_ptr<TlsContext>> contexts_;
};

TEST_F(PeerLinksSecurityTest, FramesTravelBothWays) {
  MakeTwo(Tls(LinkScope::kAll), Tls(LinkScope::kAll));
  ASSERT_TRUE(BothUp());
  EXPECT_EQ(a_->Stats(2).encrypted, 1u);
  EXPECT_EQ(b_->Stats(1).encrypted, 1u);
  EXPECT_TRUE(a_->links->Send(NodeId(2), Get(7)));
  EXPECT_TRUE(b_->links->Send(NodeId(1), Reply(8, ShardId(0), 5 << 20)));
  ASSERT_TRUE(Until({&a_, &b_}, [&] {
    return a_->recorder.frames.size() == 1 && b_->recorder.frames.size() == 1;
  }));
  EXPECT_EQ(IdOf(b_->recorder.frames[0]), 7u);
  EXPECT_EQ(IdOf(a_->recorder.frames[0]), 8u);
}

// Goal: the state of TLS goes with the socket to the shard that the link belongs to.
TEST_F(PeerLinksSecurityTest, LinksAreHandedOverBetweenShards) {
  MakeTwo(Tls(LinkScope::kAll), Tls(LinkScope::kAll), /*shards=*/3);
  ASSERT_TRUE(Until({&a_, &b_}, [&] {
    return a_[2].Stats(2).encrypted == 1 && b_[2].Stats(1).encrypted == 1 &&
           b_[1].Stats(1).encrypted == 1;
  }));
  EXPECT_TRUE(a_[2].links->Send(NodeId(2), Get(9)));
  EXPECT_TRUE(b_[1].links->Send(NodeId(1), Get(10)));
  EXPECT_TRUE(Until({&a_, &b_}, [&] {
    return b_[2].recorder.frames.size() == 1 && a_[1].recorder.frames.size() == 1;
  }));
}

TEST_F(PeerLinksSecurityTest, PlainTextIsRefusedWhereTlsIsWanted) {
  MakeTwo({}, Tls(LinkScope::kAll));
  EXPECT_TRUE(Until({&a_, &b_}, [&] {
    return b_->log.Has({"stranger_refused", "plain text where TLS is wanted"}) &&
           a_->log.Has({"peer_unreachable"});
  }));
  EXPECT_TRUE(a_->recorder.changes.empty() && b_->recorder.changes.empty());
}

TEST_F(PeerLinksSecurityTest, TlsIsRefusedWithoutCertificates) {
  MakeTwo(Tls(LinkScope::kAll), {});
  EXPECT_TRUE(Until({&a_, &b_}, [&] {
    return b_->log.Has({"it speaks TLS, and this node has no certificate"}) &&
           a_->log.Has({"closed by the peer before TLS was agreed on"});
  }));
  EXPECT_TRUE(a_->recorder.changes.empty() && b_->recorder.changes.empty());
}

// Goal: while a cluster changes over, links come up whichever side has changed, and in TLS if both.
TEST_F(PeerLinksSecurityTest, AcceptPlainBridgesTheChange) {
  MakeTwo(Tls(LinkScope::kAll, /*accept_plain=*/true), {});
  ASSERT_TRUE(BothUp());
  EXPECT_EQ(a_->Stats(2).encrypted, 0u);
}

TEST_F(PeerLinksSecurityTest, AcceptPlainAcceptsPlain) {
  MakeTwo({}, Tls(LinkScope::kAll, /*accept_plain=*/true));
  ASSERT_TRUE(BothUp());
  EXPECT_EQ(b_->Stats(1).encrypted, 0u);
}

TEST_F(PeerLinksSecurityTest, AcceptPlainPrefersTls) {
  MakeTwo(Tls(LinkScope::kAll, /*accept_plain=*/true), Tls(LinkScope::kNone));
  ASSERT_TRUE(BothUp());
  EXPECT_EQ(a_->Stats(2).encrypted, 1u);
}

TEST_F(PeerLinksSecurityTest, BetweenRegionsOnly) {
  for (const bool apart : {false, true}) {
    const auto change = [&](PeerLinksOptions& options) {
      Tls(LinkScope::kRegions)(options);
      options.self_region = apart && options.self == NodeId(2) ? "us" : "eu";
      options.peers[0].region = apart && options.self == NodeId(1) ? "us" : "eu";
    };
    MakeTwo(change, change);
    ASSERT_TRUE(BothUp());
    EXPECT_EQ(a_->Stats(2).encrypted, apart ? 1u : 0u);
  }
}

// Goal: who says that it is in another region cannot say so in the clear.
TEST_F(PeerLinksSecurityTest, PlainTextFromAnotherRegionIsRefused) {
  const auto far = [&](PeerLinksOptions& options) {
    Tls(LinkScope::kRegions)(options);
    options.self_region = "us";
    options.peers[0].region = "eu";
  };
  MakeTwo({}, far);
  EXPECT_TRUE(Until({&a_, &b_}, [&] {
    return b_->log.Has({"peer_refused", "plain text where TLS is wanted"});
  }));
  EXPECT_TRUE(a_->recorder.changes.empty() && b_->recorder.changes.empty());
}

TEST_F(PeerLinksSecurityTest, ACertificateIsGoodForItsNodeOnly) {
  contexts_["n1"] = ca_.Context("n7");
  MakeTwo(Tls(LinkScope::kAll), Tls(LinkScope::kAll));
  EXPECT_TRUE(Until({&a_, &b_}, [&] {
    return b_->log.Has({"peer_refused", "its certificate is not for a node called 'n1'"});
  }));
  EXPECT_TRUE(a_->recorder.changes.empty() && b_->recorder.changes.empty());
}

TEST_F(PeerLinksSecurityTest, CertificatesOfAnotherAuthorityAreRefused) {
  TestAuthority other("other");
  contexts_["n1"] = other.Context("n1");
  MakeTwo(Tls(LinkScope::kAll), Tls(LinkScope::kAll));
  EXPECT_TRUE(Until({&a_, &b_}, [&] {
    return a_->log.Has({"peer_unreachable", "its certificate is not accepted"}) &&
           b_->log.Has({"stranger_refused", "alert"});
  }));
  EXPECT_GT(contexts_["n1"]->handshakes_failed(), 0u);
}

// Goal: who connects and says nothing, or half a greeting of TLS, is cut as any other is.
TEST_F(PeerLinksSecurityTest, AHandshakeOfTlsHasToEndInTime) {
  b_ = MakeNode(2, {{1, 1}}, 1, [this](PeerLinksOptions& options) {
    Tls(LinkScope::kAll)(options);
    options.handshake_timeout = Duration::Millis(100);
  });
  Start(b_);
  TestSocket slow(b_.port);
  slow.SendSome("\x16\x03\x01");
  EXPECT_TRUE(Until({&b_}, [&] { return !slow.ReceiveSome(); }));
}

}  // namespace
}  // namespace gyre
