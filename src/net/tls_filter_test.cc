#include "net/tls_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <fstream>
#include <string>

#include "net/net_test_util.h"
#include "net/tls_test_util.h"

namespace gyre {
namespace {

using testing::HasSubstr;

std::string Drain(OutputBuffer& out, std::size_t bytes_max = SIZE_MAX) {
  std::string bytes;
  std::string_view piece;
  while (bytes.size() < bytes_max && out.Peek(&piece, 1) == 1) {
    piece = piece.substr(0, bytes_max - bytes.size());
    bytes += piece;
    out.Consume(piece.size());
  }
  return bytes;
}

// One end: the filter, and what its connection would hold.
struct End {
  explicit End(std::unique_ptr<TlsFilter> its) : filter(std::move(its)) {}
  // Sends what it can; false once something is wrong, which `problem` tells.
  bool Send() { return Keep(filter->Send(to_send, out)); }
  bool Receive(std::string_view wire) { return Keep(filter->Receive(wire, received, out)); }
  bool Keep(const Status& status) {
    if (!status) problem = status.error().message;
    return status.has_value();
  }

  std::unique_ptr<TlsFilter> filter;
  OutputBuffer to_send, out;
  GrowBuffer received;
  std::string problem;
};

class TlsFilterTest : public testing::Test {
 protected:
  End Dialer(std::shared_ptr<TlsContext> context) {
    return End(TlsFilter::ForDialing(std::move(context)));
  }
  End Acceptor(std::shared_ptr<TlsContext> context, bool plain_accepted = false) {
    return End(TlsFilter::ForAccepting(std::move(context), plain_accepted));
  }
  // Carries bytes both ways, in pieces of at most so many, until nothing moves.
  static void Carry(End& a, End& b, std::size_t piece = SIZE_MAX) {
    bool moved = true;
    while (moved) {
      moved = CarryOne(a, b, piece);
      moved = CarryOne(b, a, piece) || moved;
    }
  }
  static bool CarryOne(End& from, End& to, std::size_t piece) {
    if (from.problem.empty()) from.Send();
    if (from.out.empty()) return false;
    to.Receive(Drain(from.out, piece));
    return true;
  }

  TestAuthority ca_;
  std::shared_ptr<TlsContext> a_ = ca_.Context("n1"), b_ = ca_.Context("n2");
};

// Goal: nothing depends on how the network cuts the stream.
TEST_F(TlsFilterTest, WorksInPiecesOfOneByte) {
  End dialer = Dialer(a_), acceptor = Acceptor(b_);
  dialer.to_send.Append(std::string_view("from the dialer"));
  Carry(dialer, acceptor, /*piece=*/1);
  EXPECT_TRUE(dialer.filter->Encrypts() && acceptor.filter->Encrypts());
  EXPECT_EQ(acceptor.received.view(), "from the dialer");
  acceptor.to_send.Append(std::string_view("and back"));
  Carry(dialer, acceptor, /*piece=*/1);
  EXPECT_EQ(dialer.received.view(), "and back");
  EXPECT_EQ(a_->handshakes_failed() + b_->handshakes_failed(), 0u);
}

TEST_F(TlsFilterTest, NothingIsSentInTheClear) {
  End dialer = Dialer(a_), acceptor = Acceptor(b_);
  dialer.to_send.Append(std::string_view("secret"));
  ASSERT_TRUE(dialer.Send());
  EXPECT_EQ(dialer.to_send.size(), 6u) << "waits for the handshake";
  Carry(dialer, acceptor);
  dialer.to_send.Append(std::string_view("secret"));
  ASSERT_TRUE(dialer.Send());
  EXPECT_THAT(Drain(dialer.out), testing::Not(HasSubstr("secret")));
}

// Goal: what waits stays with the caller, whose limits count it.
TEST_F(TlsFilterTest, BigWritesTakeBoundedMemory) {
  End dialer = Dialer(a_), acceptor = Acceptor(b_);
  Carry(dialer, acceptor);
  const std::string big(20 << 20, 'v');
  dialer.to_send.Append(Bytes(big));
  std::size_t most = 0, received = 0;
  while (!dialer.to_send.empty() || !dialer.out.empty()) {
    ASSERT_TRUE(dialer.Send());
    most = std::max(most, dialer.out.size());
    ASSERT_TRUE(acceptor.Receive(Drain(dialer.out, 128 * 1024)));
    received += acceptor.received.size();
    acceptor.received.Clear(SIZE_MAX);
  }
  EXPECT_EQ(received, big.size());
  EXPECT_LT(most, 2 * StreamFilter::kOutBytesMax + 64 * 1024);
}

TEST_F(TlsFilterTest, CertificatesOfAnotherAuthorityAreRefusedByBoth) {
  TestAuthority other("ca");  // of the same name, too
  End dialer = Dialer(other.Context("n1")), acceptor = Acceptor(b_);
  Carry(dialer, acceptor);
  EXPECT_THAT(dialer.problem, HasSubstr("its certificate is not accepted"));
  EXPECT_THAT(acceptor.problem, HasSubstr("alert"));
  EXPECT_EQ(b_->handshakes_failed(), 1u);
}

// Goal: a node that trusts us, and that we do not: it hears why.
TEST_F(TlsFilterTest, OneSidedTrustIsNotEnough) {
  TestAuthority other("other");
  TlsFiles files = other.For("n1");
  files.ca = ca_.Path("ca.pem");
  End dialer = Dialer(TlsContext::Load(files, nullptr).value()), acceptor = Acceptor(b_);
  Carry(dialer, acceptor);
  EXPECT_THAT(acceptor.problem, HasSubstr("its certificate is not accepted"));
  EXPECT_THAT(dialer.problem, HasSubstr("alert unknown ca"));
  EXPECT_TRUE(acceptor.received.empty());
}

TEST_F(TlsFilterTest, ExpiredCertificatesAreRefused) {
  End dialer = Dialer(ca_.Context("old", /*valid_seconds=*/-60)), acceptor = Acceptor(b_);
  Carry(dialer, acceptor);
  EXPECT_THAT(acceptor.problem, HasSubstr("certificate has expired"));
  EXPECT_THAT(dialer.problem, HasSubstr("alert certificate expired"));
}

TEST_F(TlsFilterTest, PlainTextIsToldByItsFirstByte) {
  End strict = Acceptor(b_);
  EXPECT_FALSE(strict.Receive("G"));
  EXPECT_THAT(strict.problem, HasSubstr("plain text where TLS is wanted"));
  EXPECT_EQ(b_->handshakes_failed(), 1u);

  End lenient = Acceptor(b_, /*plain_accepted=*/true);
  EXPECT_FALSE(lenient.filter->superfluous());
  EXPECT_TRUE(lenient.Receive("GYRE..."));
  EXPECT_TRUE(lenient.filter->superfluous());
  EXPECT_FALSE(lenient.filter->Encrypts());
  EXPECT_EQ(lenient.received.view(), "GYRE...");

  End dialer = Dialer(a_);
  ASSERT_TRUE(dialer.Send());
  EXPECT_FALSE(dialer.Receive("GYRE"));
  EXPECT_THAT(dialer.problem, HasSubstr("answers in plain text"));
}

TEST_F(TlsFilterTest, AnEndBeforeTheHandshakeIsOverIsAProblem) {
  End dialer = Dialer(a_), acceptor = Acceptor(b_);
  EXPECT_TRUE(acceptor.filter->CheckEnd()) << "nothing was said yet";
  ASSERT_TRUE(dialer.Send());
  EXPECT_FALSE(dialer.filter->CheckEnd());
  Carry(dialer, acceptor);
  EXPECT_TRUE(dialer.filter->CheckEnd());
}

// Goal: no damaged byte gets through, wherever it is hit; all whole records before it do.
TEST_F(TlsFilterTest, DamagedRecordsEndTheConnection) {
  constexpr std::size_t kUpperHalfOfLength = 3;  // a longer record than was sent is only awaited
  for (std::size_t at = 0; at < 60; at += 3) {
    End dialer = Dialer(a_), acceptor = Acceptor(b_);
    Carry(dialer, acceptor);
    dialer.to_send.Append(std::string_view("the body of a frame, long enough to be hit anywhere"));
    ASSERT_TRUE(dialer.Send());
    std::string wire = Drain(dialer.out);
    ASSERT_GT(wire.size(), at);
    wire[at] = static_cast<char>(wire[at] ^ 0x40);
    EXPECT_EQ(acceptor.Receive(wire), at == kUpperHalfOfLength) << at;
    EXPECT_TRUE(acceptor.received.empty()) << at;
  }
}

TEST_F(TlsFilterTest, AHandshakeOfRubbishFailsWithoutHarm) {
  for (int seed = 0; seed < 200; ++seed) {
    End acceptor = Acceptor(b_);
    std::string rubbish = "\x16\x03\x01";
    for (int i = 0; i < 300; ++i)
      rubbish += static_cast<char>((seed * 131 + i * 37 + i * i) & 0xFF);
    acceptor.Receive(rubbish);
    EXPECT_FALSE(acceptor.filter->Encrypts());
  }
}

TEST_F(TlsFilterTest, ATruncatedRecordGivesNothing) {
  End dialer = Dialer(a_), acceptor = Acceptor(b_);
  Carry(dialer, acceptor);
  dialer.to_send.Append(std::string_view("half"));
  ASSERT_TRUE(dialer.Send());
  const std::string wire = Drain(dialer.out);
  EXPECT_TRUE(acceptor.Receive(std::string_view(wire).substr(0, wire.size() - 1)));
  EXPECT_TRUE(acceptor.received.empty());
}

TEST_F(TlsFilterTest, CloseNotifyIsAnEndInOrderAfterWhatWasSent) {
  End dialer = Dialer(a_), acceptor = Acceptor(b_);
  Carry(dialer, acceptor);
  dialer.to_send.Append(std::string_view("last words"));
  ASSERT_TRUE(dialer.Send());
  dialer.filter->Finish(dialer.out);
  const std::size_t size = dialer.out.size();
  dialer.filter->Finish(dialer.out);
  EXPECT_EQ(dialer.out.size(), size) << "said once";
  EXPECT_TRUE(acceptor.Receive(Drain(dialer.out)));
  EXPECT_EQ(acceptor.received.view(), "last words");
  EXPECT_TRUE(acceptor.filter->ended());
}

// Goal: a peer may change its keys and ask for ours to change, and nothing is lost meanwhile.
TEST_F(TlsFilterTest, UpdatesOfKeysAreHandled) {
  const std::shared_ptr<SSL_CTX> context = a_->ForNewLink();
  const std::unique_ptr<SSL, void (*)(SSL*)> dialer(SSL_new(context.get()), SSL_free);
  BIO* const in = BIO_new(BIO_s_mem());
  BIO* const out = BIO_new(BIO_s_mem());
  SSL_set_bio(dialer.get(), in, out);
  SSL_set_connect_state(dialer.get());
  End acceptor = Acceptor(b_);
  const auto exchange = [&] {
    std::string wire(BIO_ctrl_pending(out), '\0');
    if (!wire.empty()) BIO_read(out, wire.data(), static_cast<int>(wire.size()));
    ASSERT_TRUE(acceptor.Receive(wire) && acceptor.Send()) << acceptor.problem;
    const std::string answer = Drain(acceptor.out);
    if (!answer.empty()) BIO_write(in, answer.data(), static_cast<int>(answer.size()));
  };
  for (int i = 0; i < 3; ++i) {
    SSL_do_handshake(dialer.get());
    exchange();
  }
  ASSERT_TRUE(acceptor.filter->Encrypts());
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(SSL_key_update(dialer.get(), SSL_KEY_UPDATE_REQUESTED), 1);
    ASSERT_EQ(SSL_write(dialer.get(), "frame", 5), 5);
    acceptor.to_send.Append(std::string_view("reply"));
    exchange();
    char reply[6] = {};
    EXPECT_EQ(SSL_read(dialer.get(), reply, 5), 5);
    EXPECT_STREQ(reply, "reply");
  }
  EXPECT_EQ(acceptor.received.view(), "frameframeframeframeframe");
}

TEST_F(TlsFilterTest, ACertificateProvesAName) {
  End dialer = Dialer(a_), acceptor = Acceptor(b_);
  EXPECT_FALSE(acceptor.filter->PeerIs("n1"));
  Carry(dialer, acceptor);
  EXPECT_TRUE(acceptor.filter->PeerIs("n1"));
  EXPECT_FALSE(acceptor.filter->PeerIs("n2"));
  EXPECT_TRUE(dialer.filter->PeerIs("n2"));
}

// Goal: a certificate that is renewed on disk serves the next link; a bad one serves none.
TEST_F(TlsFilterTest, FilesAreReadAgainWhenTheyChange) {
  RecordingLog log;
  const TlsFiles files = ca_.For("n3", /*valid_seconds=*/-60);
  const std::shared_ptr<TlsContext> context = TlsContext::Load(files, &log).value();
  {
    End dialer = Dialer(context), acceptor = Acceptor(b_);
    Carry(dialer, acceptor);
    ASSERT_FALSE(acceptor.problem.empty());
  }
  ca_.For("n3");  // renewed
  {
    End dialer = Dialer(context), acceptor = Acceptor(b_);
    Carry(dialer, acceptor);
    EXPECT_EQ(acceptor.problem, "");
    EXPECT_TRUE(acceptor.filter->Encrypts());
  }
  EXPECT_TRUE(log.Has({"certificates_read", "n3.pem"}));
  std::ofstream(files.certificate) << "no certificate";
  {
    End dialer = Dialer(context), acceptor = Acceptor(b_);
    Carry(dialer, acceptor);
    EXPECT_TRUE(acceptor.filter->Encrypts()) << "the former one still serves";
  }
  EXPECT_EQ(log.Count({"certificates_bad", "n3.pem"}), 1u);
}

TEST_F(TlsFilterTest, BadFilesAreToldWithTheirNames) {
  const auto problem = [](const TlsFiles& files) {
    const auto loaded = TlsContext::Load(files, nullptr);
    return loaded ? std::string("none") : loaded.error().message;
  };
  TlsFiles files = ca_.For("n4");
  EXPECT_EQ(problem(files), "none");
  TlsFiles wrong = files;
  wrong.certificate = ca_.Path("missing.pem");
  EXPECT_THAT(problem(wrong), HasSubstr("missing.pem: "));
  EXPECT_THAT(problem(wrong), HasSubstr("No such file"));
  wrong = files;
  wrong.key = ca_.For("n5").key;
  EXPECT_THAT(problem(wrong), HasSubstr("n5.key"));
  EXPECT_THAT(problem(wrong), HasSubstr("key values mismatch"));
  wrong = files;
  wrong.ca = files.key;
  EXPECT_THAT(problem(wrong), HasSubstr("n4.key"));
}

}  // namespace
}  // namespace gyre
