#include "server/join_cluster.h"

#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>

#include "core/membership/ballot_codec.h"
#include "net/peer_links.h"
#include "net/reactor.h"
#include "server/knock.h"

namespace gyre {
namespace {

constexpr Duration kKnockEvery = Duration::Seconds(1);

class Knocker final : private PeerLinksOwner {
 public:
  Knocker(Reactor& reactor, const ServerConfig& config, Member self, const LinkSecurity& security,
          Log& log, std::function<bool()> give_up)
      : reactor_(reactor),
        config_(config),
        self_(std::move(self)),
        log_(log),
        give_up_(std::move(give_up)),
        links_(reactor, *this, log, Options(config, self_, security)) {}

  Result<Layout> Run() {
    reactor_.Post([this] { Tick(); });
    reactor_.Run();
    if (layout_) return *std::move(layout_);
    return Fail(ErrorCode::kUnavailable,
                "not let into the cluster: " + (problem_.empty() ? "nobody answers" : problem_));
  }

 private:
  static PeerLinksOptions Options(const ServerConfig& config, const Member& self,
                                  const LinkSecurity& security) {
    PeerLinksOptions options;
    options.cluster = config.cluster_id;
    options.self = self.id;
    options.self_name = self.name;
    options.versions.max = config.protocol_max;
    options.self_region = self.region;
    options.security = security;
    options.guest_may_say = [](const Message& message) {
      return std::holds_alternative<NodeMessage>(message);
    };
    options.accept_stranger = [](const Handshake&) { return true; };
    options.seed = std::random_device()();
    return options;
  }

  void Tick() {
    if (give_up_()) return reactor_.Stop();
    reactor_.AddTimer(reactor_.now().instant + kKnockEvery, [this] { Tick(); });
    for (const NodeId host : hosts_) Knock(host);
    if (hosts_.empty()) {
      for (const HostPort& seed : config_.join) links_.ConnectGuest(seed.ToString());
    }
  }

  void Knock(NodeId host) {
    const NodeMessage knock{RequestId{}, NodeMessage::Topic::kLayout, Bytes(EncodeKnock(self_))};
    links_.SendToGuest(host, Envelope{ShardId(0), ShardId(0), knock});
  }

  void OnGuestUp(NodeId guest, std::string_view name) override {
    log_.Write(LogLevel::kInfo, "knocking", "asks to be let in", {{"node", name}});
    hosts_.insert(guest);
    Knock(guest);
  }
  void OnGuestDown(NodeId guest, std::string_view /*reason*/) override { hosts_.erase(guest); }
  void OnGuestUnreachable(std::string_view address, std::string_view problem) override {
    Note(std::string(address) + ": " + std::string(problem));
  }
  void OnGuestFrame(NodeId /*from*/, Envelope&& envelope) override {
    const auto* message = std::get_if<NodeMessage>(&envelope.message);
    if (message == nullptr || message->topic != NodeMessage::Topic::kLayout) return;
    if (const auto reason = DecodeKnockRefusal(message->body.view())) return Note(*reason);
    const Result<BallotMessage> ballot = DecodeBallot(message->body.view());
    const auto* decided = ballot ? std::get_if<BallotDecided>(&*ballot) : nullptr;
    if (decided == nullptr) return;
    Result<Layout> layout = Layout::Decode(decided->bytes);
    if (!layout || layout->FindMember(self_.id) == nullptr) return;
    layout_ = *std::move(layout);
    reactor_.Stop();
  }
  void OnFrame(NodeId /*from*/, Envelope&& /*envelope*/) override {}
  void OnPeerUp(NodeId /*peer*/, const LinkTerms& /*terms*/) override {}
  void OnPeerDown(NodeId /*peer*/, std::string_view /*reason*/) override {}
  void HandOver(ReleasedSocket /*socket*/, Handshake /*handshake*/, ShardId /*to*/) override {}

  // Told once each time that it is another.
  void Note(std::string problem) {
    if (problem == problem_) return;
    problem_ = std::move(problem);
    log_.Write(LogLevel::kWarning, "not_let_in", problem_, {});
  }

  Reactor& reactor_;
  const ServerConfig& config_;
  const Member self_;
  Log& log_;
  const std::function<bool()> give_up_;
  PeerLinks links_;
  std::set<NodeId> hosts_;
  std::optional<Layout> layout_;
  std::string problem_;
};

}  // namespace

Result<Layout> JoinCluster(const ServerConfig& config, const Member& self,
                           const LinkSecurity& security, Log& log,
                           const std::function<bool()>& give_up) {
  Result<std::unique_ptr<Reactor>> reactor = MakeEpollReactor({&log});
  if (!reactor) return Fail(reactor.error());
  return Knocker(**reactor, config, self, security, log, give_up).Run();
}

}  // namespace gyre
