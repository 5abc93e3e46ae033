#include "server/shard_loop.h"

#include <algorithm>
#include <utility>

#include "base/thread_name.h"

namespace gyre {
namespace {

constexpr Duration kPublishInterval = Duration::Millis(100);
// So many cache misses a processor can have under way, or a few more.
constexpr std::size_t kGatheredMax = 16;

}  // namespace

Result<std::unique_ptr<ShardLoop>> ShardLoop::Create(Options options, PeerLinksOptions links) {
  Result<std::unique_ptr<Reactor>> reactor = MakeEpollReactor({options.log});
  if (!reactor) return Fail(reactor.error());
  return std::unique_ptr<ShardLoop>(
      new ShardLoop(std::move(options), std::move(links), std::move(*reactor)));
}

ShardLoop::ShardLoop(Options options, PeerLinksOptions links, std::unique_ptr<Reactor> reactor)
    : options_(std::move(options)),
      view_(options_.view),
      shard_count_(options_.shard.shard_count),
      index_(options_.shard.shard),
      reactor_(std::move(reactor)),
      session_(options_.engine->OpenSession([this] {
        reactor_->Post([this] {
          PollStorage();
          Carry();
        });
      })),
      shard_(options_.shard, view_, this),
      links_(*reactor_, *this, *options_.log, std::move(links)) {
  reactor_->SetWakeHandler([this](Now now) {
    shard_.OnTick(now, effects_);
    Carry();
  });
  reactor_->AddTurnEndHook([this](Now /*now*/) { OnTurnEnd(); });
}

ShardLoop::~ShardLoop() = default;

void ShardLoop::Run() {
  NameThisThread("gyre-shard-" + std::to_string(index_.value));
  PublishStats();
  reactor_->Run();
  session_->Flush();
}

// ---- requests ----------------------------------------------------------------------------------

void ShardLoop::Submit(ClientRequest&& request, ResultSink* sink, std::uint64_t tag) {
  const ClientId client = clients_.Add({sink, tag, index_, {}});
  const ShardId owner = ShardOfRequest(request, view_->ring, shard_count_);
  if (owner == index_) {
    gathered_.emplace_back(std::in_place_type<GatheredRequest>, client, std::move(request));
    return SettleIfMany();
  }
  ShardLoop* other = siblings_[owner.value];
  other->reactor_->Post([other, request = std::move(request), from = index_, client]() mutable {
    other->TakeRequest(std::move(request), from, client);
  });
}

const RowKey* ShardLoop::KeyOf(const Gathered& gathered) {
  if (const auto* client = std::get_if<GatheredRequest>(&gathered)) {
    if (const auto* get = std::get_if<GetRequest>(&client->request)) return &get->key;
    if (const auto* put = std::get_if<PutRequest>(&client->request)) return &put->key;
    return nullptr;
  }
  const Message& message = std::get<GatheredMessage>(gathered).message;
  if (const auto* get = std::get_if<ReplicaGet>(&message)) return &get->key;
  if (const auto* put = std::get_if<ReplicaPut>(&message)) return &put->key;
  return nullptr;
}

void ShardLoop::SettleIfMany() {
  if (gathered_.size() >= kGatheredMax) Settle();
}

void ShardLoop::Settle() {
  if (!settling_.empty()) return;  // further up the stack, which goes on until nothing is gathered
  while (!gathered_.empty()) {
    settling_.swap(gathered_);
    keys_.clear();
    for (const Gathered& each : settling_) {
      if (const RowKey* key = KeyOf(each)) keys_.push_back(key);
    }
    session_->Prefetch(keys_);
    for (Gathered& each : settling_) {
      if (auto* client = std::get_if<GatheredRequest>(&each)) {
        shard_.OnClientRequest(client->client, std::move(client->request), now(), effects_);
      } else {
        auto& peer = std::get<GatheredMessage>(each);
        shard_.OnMessage(peer.from, peer.from_shard, std::move(peer.message), now(), effects_);
      }
      Carry();
    }
    settling_.clear();
  }
}

// From another shard.
void ShardLoop::TakeRequest(ClientRequest request, ShardId from_shard, ClientId from_client) {
  const ClientId client = clients_.Add({nullptr, 0, from_shard, from_client});
  shard_.OnClientRequest(client, std::move(request), now(), effects_);
  Carry();
}

void ShardLoop::Reply(ReplyEffect& reply) {
  const PendingClient client = clients_.Take(reply.client);
  if (client.sink != nullptr) return client.sink->OnResult(client.tag, std::move(reply.result));
  ShardLoop* asker = siblings_[client.from_shard.value];
  asker->reactor_->Post(
      [asker, id = client.from_client, result = std::move(reply.result)]() mutable {
        asker->TakeResult(id, std::move(result));
      });
}

// Of a request that another shard carried out.
void ShardLoop::TakeResult(ClientId client, ClientResult result) {
  const PendingClient pending = clients_.Take(client);
  pending.sink->OnResult(pending.tag, std::move(result));
}

// ---- effects -----------------------------------------------------------------------------------

void ShardLoop::Carry() {
  if (busy_) return;  // the loop below, further up, will see what was added
  busy_ = true;
  while (!effects_.empty()) {
    carrying_.swap(effects_);
    for (Effect& effect : carrying_) CarryOut(effect);
    carrying_.clear();
    PollStorage();
  }
  busy_ = false;
}

void ShardLoop::CarryOut(Effect& effect) {
  switch (effect.index()) {
    case 0:
      return Send(std::get<SendEffect>(effect));
    case 1: {
      auto& read = std::get<ReadEffect>(effect);
      auto row = session_->Read(read.id, read.key);
      if (row) shard_.OnReadDone(read.id, std::move(*row), now(), effects_);
      return;
    }
    case 2: {
      auto& write = std::get<WriteEffect>(effect);
      return session_->Write({write.id, std::move(write.key), std::move(write.row)});
    }
    case 3:
      return Scan(std::get<ScanEffect>(effect));
    default:
      return Reply(std::get<ReplyEffect>(effect));
  }
}

void ShardLoop::PollStorage() {
  session_->Poll(completions_);
  for (Completion& completion : completions_) OnCompletion(completion);
  completions_.clear();
}

void ShardLoop::OnCompletion(Completion& completion) {
  if (auto* write = std::get_if<WriteDone>(&completion)) {
    shard_.OnWriteDone(write->id, std::move(write->status), now(), effects_);
  } else if (auto* read = std::get_if<ReadDone>(&completion)) {
    shard_.OnReadDone(read->id, std::move(read->row), now(), effects_);
  } else {
    auto& scan = std::get<ScanDone>(completion);
    const auto job = scans_.find(scan.id);
    GYRE_CHECK(job != scans_.end());
    auto outcome = job->second.OnPage(std::move(scan.page), now().wall);
    if (!outcome) return session_->Scan(scan.id, job->second.range());
    scans_.erase(job);
    shard_.OnScanDone(scan.id, std::move(*outcome), now(), effects_);
  }
}

void ShardLoop::Scan(ScanEffect& scan) {
  const auto job =
      scans_.emplace(scan.id, ScanJob(scan.request, view_->ring, options_.config->core)).first;
  session_->Scan(scan.id, job->second.range());
}

// ---- peers -------------------------------------------------------------------------------------

void ShardLoop::Send(SendEffect& send) {
  // False (no link, or too much queued on it) is as if lost on the way: the core's timers know.
  links_.Send(send.to, Envelope{index_, send.to_shard, std::move(send.message)});
}

void ShardLoop::OnFrame(NodeId from, Envelope&& envelope) {
  const ShardId shard = ShardOfMessage(envelope, view_->ring, shard_count_);
  if (shard == index_) return TakeMessage(from, std::move(envelope));
  ShardLoop* other = siblings_[shard.value];
  other->reactor_->Post([other, from, envelope = std::move(envelope)]() mutable {
    other->TakeMessage(from, std::move(envelope));
  });
}

void ShardLoop::TakeMessage(NodeId from, Envelope&& envelope) {
  const MessageType type = TypeOf(envelope.message);
  if (type == MessageType::kReplicaGet || type == MessageType::kReplicaPut) {
    gathered_.emplace_back(std::in_place_type<GatheredMessage>, from, envelope.from_shard,
                           std::move(envelope.message));
    return SettleIfMany();
  }
  shard_.OnMessage(from, envelope.from_shard, std::move(envelope.message), now(), effects_);
  Carry();
}

void ShardLoop::OnPeerUp(NodeId peer) {
  shard_.OnPeerUp(peer, now(), effects_);
  Carry();
}

void ShardLoop::OnPeerDown(NodeId peer, std::string_view /*reason*/) {
  shard_.OnPeerDown(peer, now(), effects_);
  Carry();
}

void ShardLoop::HandOver(ReleasedSocket socket, Handshake handshake, ShardId to) {
  ShardLoop* other = siblings_[to.value];
  // A std::function must be copyable, a socket is not.
  auto shared = std::make_shared<ReleasedSocket>(std::move(socket));
  other->reactor_->Post([other, shared, handshake = std::move(handshake)] {
    other->links_.Attach(std::move(*shared), handshake);
  });
}

// ---- turns -------------------------------------------------------------------------------------

void ShardLoop::OnTurnEnd() {
  do {
    Settle();
    session_->Flush();
    PollStorage();
    Carry();
  } while (!gathered_.empty());  // by who got an answer and asks on: the next turn may be far away
  session_->Flush();
  reactor_->SetWake(shard_.NextWake());
}

void ShardLoop::PublishStats() {
  NodeStats stats = stats_;
  stats.core = shard_.counters();
  stats.requests_in_flight = shard_.requests_in_flight();
  stats.connections_refused = reactor_->stats().refused;
  for (const LinkStats& link : links_.Stats()) {
    stats.peers.push_back({link.id, link.name, link.address, link.up, link.queued_bytes,
                           link.reconnects, link.frames_sent, link.frames_received,
                           link.frames_dropped, link.last_problem});
  }
  if (stats_hook_) stats_hook_(stats);
  options_.board->Publish(index_, stats);
  reactor_->AddTimer(now().instant + kPublishInterval, [this] { PublishStats(); });
}

}  // namespace gyre
