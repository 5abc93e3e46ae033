// Real sockets on loopback: the receiver listens on the webhook's own loop.
#include "server/webhook.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "net/net_test_util.h"

namespace gyre {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;

constexpr const char* kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
constexpr const char* kError = "HTTP/1.1 500 Internal Server Error\r\n\r\n";
constexpr const char* kClose = "";          // no answer, but an end
constexpr const char* kSilence = "silent";  // nor that

// Takes whole requests and answers them by a script; kOk when that has run out.
struct Receiver {
  std::vector<std::string> requests;
  std::deque<std::string> script;
};

class ReceiverSession final : public ConnectionHandler {
 public:
  ReceiverSession(Receiver& receiver, Connection& connection)
      : receiver_(receiver), connection_(connection) {}

  std::size_t OnBytes(std::string_view bytes) override {
    const std::size_t head = bytes.find("\r\n\r\n");
    const std::size_t length = bytes.find("Content-Length: ");
    if (head == std::string_view::npos) return 0;
    const std::size_t body = std::stoul(std::string(bytes.substr(length + 16, 8)));
    if (bytes.size() < head + 4 + body) return 0;
    receiver_.requests.emplace_back(bytes);
    std::string answer = kOk;
    if (!receiver_.script.empty()) {
      answer = receiver_.script.front();
      receiver_.script.pop_front();
    }
    if (answer != kSilence) {
      connection_.out().Append(answer);
      connection_.CloseAfterFlush();
    }
    return bytes.size();
  }
  void OnClosed() override {}
  std::size_t pending() const override { return 0; }

 private:
  Receiver& receiver_;
  Connection& connection_;
};

class WebhookTest : public testing::Test {
 protected:
  void SetUp() override {
    bound_ = Receive(Loopback());
    options_.url = {{"127.0.0.1", bound_.port()}, "/hook?x=1"};
    options_.pause_first = Duration::Millis(1);
    options_.pause_last = Duration::Millis(4);
  }
  SocketAddress Receive(const SocketAddress& address) {
    ListenOptions options;
    options.address = address;
    return reactor_
        ->Listen(options,
                 [this](Connection& connection) {
                   return std::make_unique<ReceiverSession>(receiver_, connection);
                 })
        .value();
  }
  // The loop outlives it.
  std::unique_ptr<Webhook> Open() { return std::make_unique<Webhook>(*reactor_, log_, options_); }
  bool Until(const std::function<bool()>& fact) { return TurnUntil({reactor_.get()}, fact); }

  std::unique_ptr<Reactor> reactor_ = NewReactor();
  RecordingLog log_;
  Receiver receiver_;
  SocketAddress bound_;
  WebhookOptions options_;
};

// Goal: one POST for a notice, as HTTP wants it.
TEST_F(WebhookTest, PostsOnce) {
  const auto webhook = Open();
  webhook->Post("{\"a\":1}");
  ASSERT_TRUE(Until([&] { return webhook->stats().ok == 1; }));
  ASSERT_THAT(receiver_.requests, SizeIs(1));
  EXPECT_THAT(receiver_.requests[0],
              AllOf(StartsWith("POST /hook?x=1 HTTP/1.1\r\n"),
                    HasSubstr("\r\nHost: " + bound_.ToString() + "\r\n"),
                    HasSubstr("\r\nContent-Type: application/json\r\n"),
                    HasSubstr("\r\nContent-Length: 7\r\n"), EndsWith("\r\n\r\n{\"a\":1}")));
  TurnFor({reactor_.get()}, Duration::Millis(30));
  EXPECT_THAT(receiver_.requests, SizeIs(1));
  EXPECT_EQ(webhook->waiting(), 0u);
  EXPECT_EQ(webhook->stats().failed + webhook->stats().dropped, 0u);
  EXPECT_EQ(log_.Text(), "");
}

// Goal: what is not taken is sent again until it is, and what came after it waits for its turn.
TEST_F(WebhookTest, FailuresAreSentAgainInOrder) {
  receiver_.script = {kError, kClose, "no HTTP\r\n", "HTTP/1.1 302 Found\r\n\r\n", kOk, kError};
  const auto webhook = Open();
  webhook->Post("first");
  webhook->Post("second");
  ASSERT_TRUE(Until([&] { return webhook->stats().ok == 2; }));
  std::vector<std::string> bodies;
  for (const std::string& request : receiver_.requests) {
    bodies.push_back(request.substr(request.find("\r\n\r\n") + 4));
  }
  EXPECT_THAT(bodies, ElementsAre("first", "first", "first", "first", "first", "second", "second"));
  EXPECT_EQ(webhook->stats().failed, 5u);
  EXPECT_EQ(webhook->stats().dropped, 0u);
  EXPECT_EQ(log_.Count({"webhook_failed"}), 5u);
  EXPECT_EQ(log_.Count({"webhook_failed", "it answered 500"}), 2u);
  EXPECT_TRUE(log_.Has({"webhook_failed", "without an answer"})) << log_.Text();
  EXPECT_TRUE(log_.Has({"webhook_failed", "not HTTP"}));
  EXPECT_EQ(log_.Count({"webhook_works"}), 2u);
}

// Goal: a receiver that says nothing is given up in time.
TEST_F(WebhookTest, SilenceIsAFailure) {
  receiver_.script = {kSilence, kSilence};
  options_.timeout = Duration::Millis(20);
  const auto webhook = Open();
  webhook->Post("x");
  ASSERT_TRUE(Until([&] { return webhook->stats().failed == 2; }));
  ASSERT_TRUE(Until([&] { return webhook->stats().ok == 1; }));
  EXPECT_EQ(log_.Count({"webhook_failed", "no answer in time"}), 1u);  // said once
}

// Goal: a receiver that is not there yet is found once it is; after too long a notice is dropped.
TEST_F(WebhookTest, RefusedConnectionsAreTriedForSoLong) {
  reactor_->StopListening();
  options_.give_up_after = Duration::Millis(200);
  const auto webhook = Open();
  webhook->Post("x");
  ASSERT_TRUE(Until([&] { return webhook->stats().dropped == 1; }));
  EXPECT_GE(webhook->stats().failed, 2u);
  EXPECT_EQ(webhook->waiting(), 0u);
  EXPECT_TRUE(log_.Has({"webhook_notice_dropped", "for too long"})) << log_.Text();
  Receive(bound_);
  webhook->Post("y");
  ASSERT_TRUE(Until([&] { return webhook->stats().ok == 1; }));
  ASSERT_THAT(receiver_.requests, SizeIs(1));
  EXPECT_THAT(receiver_.requests[0], EndsWith("\r\n\r\ny"));
}

// Goal: a name is looked up without holding up the loop; one that does not exist is a failure.
TEST_F(WebhookTest, NamesAreLookedUp) {
  options_.url.address.host = "localhost";
  const auto webhook = Open();
  webhook->Post("x");
  ASSERT_TRUE(Until([&] { return webhook->stats().ok == 1 || webhook->stats().failed > 3; }));
  EXPECT_EQ(webhook->stats().ok, 1u) << log_.Text();
  options_.url.address.host = "no-such-host.invalid";
  const auto lost = Open();
  lost->Post("x");
  ASSERT_TRUE(Until([&] { return lost->stats().failed >= 1; }));
  EXPECT_TRUE(log_.Has({"webhook_failed", "no-such-host.invalid"})) << log_.Text();
}

// Goal: what waits is bounded: the oldest go, but the one that is on its way.
TEST_F(WebhookTest, TheOldestGoWhenTooManyWait) {
  receiver_.script = {kSilence};
  options_.waiting_max = 3;
  options_.timeout = Duration::Millis(200);
  const auto webhook = Open();
  webhook->Post("0");
  ASSERT_TRUE(Until([&] { return receiver_.requests.size() == 1; }));
  for (int i = 1; i <= 6; ++i) webhook->Post(std::to_string(i));
  EXPECT_EQ(webhook->waiting(), 3u);
  EXPECT_EQ(webhook->stats().dropped, 4u);
  ASSERT_TRUE(Until([&] { return webhook->waiting() == 0; }));
  std::string bodies;
  for (const std::string& request : receiver_.requests) bodies += request.back();
  EXPECT_EQ(bodies, "0056");
}

// Goal: it may go at any time: what is under way does not call back.
TEST_F(WebhookTest, MayGoWhileAnAttemptIsUnderWay) {
  receiver_.script = {kSilence};
  auto webhook = Open();
  webhook->Post("x");
  ASSERT_TRUE(Until([&] { return receiver_.requests.size() == 1; }));
  webhook.reset();
  options_.url.address.host = "localhost";
  webhook = Open();
  webhook->Post("x");
  webhook.reset();
  TurnFor({reactor_.get()}, Duration::Millis(30));
  EXPECT_THAT(receiver_.requests, SizeIs(1));
}

// Goal: an answer's first line is read as it comes, and never far.
TEST(StatusOfAnswerTest, ReadsTheFirstLineOnly) {
  EXPECT_EQ(StatusOfAnswer("HTTP/1.1 204 No Content\r\n").value(), 204);
  EXPECT_EQ(StatusOfAnswer("HTTP/1.0 500\r\nanything \x01").value(), 500);
  EXPECT_EQ(StatusOfAnswer("HTTP/1.1 200\n").value(), 200);
  EXPECT_EQ(StatusOfAnswer("HTTP/1.1 200 OK").value(), std::nullopt);
  EXPECT_EQ(StatusOfAnswer("").value(), std::nullopt);
  for (const char* bad : {"\n", "HTTP/1.1\r\n", "HTTP/1.1 20\r\n", "HTTP/1.1 2000 x\r\n",
                          "HTTP/1.1 2x0 \r\n", "HTTP/2.0 200 OK\r\n", "220 mail.example ESMTP\n"}) {
    EXPECT_FALSE(StatusOfAnswer(bad)) << bad;
  }
  EXPECT_FALSE(StatusOfAnswer(std::string(1'025, 'x')));
  EXPECT_FALSE(StatusOfAnswer("HTTP/1.1 200 " + std::string(1'025, 'x') + "\r\n"));
}

}  // namespace
}  // namespace gyre
