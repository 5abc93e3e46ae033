// The event loop under test: its fixture and a front end that does what a function says.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/net_test_util.h"
#include "net/reactor.h"

namespace gyre {

// A front end for tests: what it does with bytes is given as a function.
class Script final : public ConnectionHandler {
 public:
  struct State {
    Connection* connection = nullptr;
    std::function<std::size_t(std::string_view)> on_bytes;
    std::size_t pending = 0;
    int calls = 0;
    int closed = 0;
    bool destroyed = false;
    std::string close_reason;
  };
  explicit Script(std::shared_ptr<State> state) : state_(std::move(state)) {}
  ~Script() override { state_->destroyed = true; }

  std::size_t OnBytes(std::string_view bytes) override {
    ++state_->calls;
    return state_->on_bytes(bytes);
  }
  void OnClosed() override {
    ++state_->closed;
    state_->close_reason = state_->connection->close_reason();
  }
  std::size_t pending() const override { return state_->pending; }

 private:
  std::shared_ptr<State> state_;
};

using StatePtr = std::shared_ptr<Script::State>;

class EpollReactorTest : public testing::Test {
 protected:
  // A listener whose connections run `on_bytes` and are listed in states_.
  std::uint16_t Serve(std::function<std::size_t(Script::State&, std::string_view)> on_bytes,
                      ListenOptions options = {}) {
    options.address = Loopback();
    const Result<SocketAddress> bound =
        reactor_->Listen(options, [this, on_bytes](Connection& connection) {
          auto state = std::make_shared<Script::State>();
          state->connection = &connection;
          state->on_bytes = [on_bytes, raw = state.get()](std::string_view bytes) {
            return on_bytes(*raw, bytes);
          };
          states_.push_back(state);
          return std::make_unique<Script>(state);
        });
    EXPECT_TRUE(bound) << bound.error().message;
    return bound->port();
  }
  std::uint16_t ServeEcho(ListenOptions options = {}) {
    return Serve(
        [](Script::State& state, std::string_view bytes) {
          state.connection->out().Append(bytes);
          return bytes.size();
        },
        options);
  }
  bool Until(const std::function<bool()>& fact) { return TurnUntil({reactor_.get()}, fact); }
  // Nothing wakes the loop: a turn takes all the time it may.
  bool Sleeps() {
    const Instant before = reactor_->now().instant;
    reactor_->RunOnce(Duration::Millis(30));
    return reactor_->now().instant - before >= Duration::Millis(29);
  }
  void Turns(int count) {
    for (int i = 0; i < count; ++i) reactor_->RunOnce(Duration{});
  }

  RecordingLog log_;
  std::vector<StatePtr> states_;
  std::unique_ptr<Reactor> reactor_ = NewReactor(&log_);
};

}  // namespace gyre
