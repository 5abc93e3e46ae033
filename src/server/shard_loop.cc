#include "server/shard_loop.h"

#include <algorithm>
#include <utility>

#include "base/thread_name.h"
#include "server/admin_json.h"

namespace gyre {
namespace {

constexpr Duration kPublishInterval = Duration::Millis(100);
// So many cache misses a processor can have under way, or a few more.
constexpr std::size_t kGatheredMax = 16;
// Zero: it brings no large value.
std::size_t LargeValueBytesOf(const ClientRequest& request) {
  const auto* put = std::get_if<PutRequest>(&request);
  const auto* write = put == nullptr ? nullptr : std::get_if<WriteValue>(&put->mutation);
  return write == nullptr || write->value.size() < kLargeValueBytes ? 0 : write->value.size();
}
// Commands of operators at once: each keeps its connection waiting.
constexpr std::size_t kClusterCommandsMax = 64;

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
  Begin();
  reactor_->Run();
  session_->Flush();
}

void ShardLoop::Begin() {
  shard_.OnStart(now(), effects_);
  Carry();
  PublishStats();
}

// ---- requests ----------------------------------------------------------------------------------

void ShardLoop::Submit(ClientRequest&& request, ResultSink* sink, std::uint64_t tag) {
  Gather({sink, tag, index_, {}}, std::move(request));
}

void ShardLoop::Gather(PendingClient client, ClientRequest&& request) {
  client.bytes = LargeValueBytesOf(request);
  value_bytes_ += client.bytes;
  gathered_.push_back(GatheredRequest{client, std::move(request)});
  SettleIfMany();
}

// A part of what the shard takes: the rest is for what other nodes and shards send, which is
// refused when nothing is left; and what is in flight should fit the processor's caches.
std::size_t ShardLoop::Room() const {
  constexpr std::size_t kClientsPart = 4;
  const std::size_t most =
      std::max<std::size_t>(config().core.requests_in_flight_max / kClientsPart, 1);
  const std::size_t taken = shard_.requests_in_flight() + gathered_.size();
  return taken < most ? most - taken : 0;
}

// Large values wait for each other, so that a disk which falls behind is not asked for more than it
// can write while their clients wait; and nobody else waits for them.
std::size_t ShardLoop::ValueRoom() const {
  const std::size_t most = config().value_bytes_in_flight_max / shard_count_;
  return value_bytes_ < most ? most - value_bytes_ : 0;
}

// From another shard.
void ShardLoop::TakeRequest(ClientRequest request, ShardId from_shard, ClientId from_client) {
  Gather({nullptr, 0, from_shard, from_client}, std::move(request));
}

void ShardLoop::SettleIfMany() {
  if (gathered_.size() >= kGatheredMax) Settle();
}

void ShardLoop::Settle() {
  if (!settling_.empty()) return;  // further up the stack, which goes on until nothing is gathered
  while (!gathered_.empty()) {
    settling_.swap(gathered_);
    LocateKeys();
    LookUpRows();
    for (Gathered& each : settling_) {
      if (auto* client = std::get_if<GatheredRequest>(&each)) {
        RunGathered(*client);
      } else {
        auto& peer = std::get<GatheredMessage>(each);
        shard_.OnMessage(peer.from, peer.from_shard, std::move(peer.message), now(), effects_);
        Carry();
      }
    }
    settling_.clear();
  }
}

void ShardLoop::HurryRepair() {
  for (ShardLoop* loop : siblings_) {
    loop->reactor_->Post([loop] {
      loop->shard_.HurryRepair(loop->now(), loop->effects_);
      loop->Carry();
    });
  }
}

void ShardLoop::ClusterCommand(std::string verb, std::string body,
                               std::function<void(Result<std::string>)> done) {
  if (body.size() > kClusterBodyBytesMax) {
    return done(Fail(
        ErrorCode::kInvalidArgument,
        "a command to the cluster has " + std::to_string(kClusterBodyBytesMax) + " bytes at most"));
  }
  if (commands_.size() >= kClusterCommandsMax) {
    return done(Fail(ErrorCode::kOverloaded, "too many commands to the cluster wait"));
  }
  const std::uint64_t id = next_command_++;
  const TimerId timer =
      reactor_->AddTimer(now().instant + options_.cluster_command_max, [this, id] {
        AnswerCommand(id, Fail(ErrorCode::kOutcomeUnknown,
                               "the cluster has not answered in time; the command may have been "
                               "carried out, or may yet be"));
      });
  commands_.emplace(id, ClusterCommandPending{std::move(done), timer});
  ShardLoop* first = siblings_.front();
  first->reactor_->Post(
      [first, asker = this, id, verb = std::move(verb), body = std::move(body)]() mutable {
        auto reply = [asker, id](Result<std::string> answer) {
          asker->reactor_->Post([asker, id, answer = std::move(answer)]() mutable {
            asker->AnswerCommand(id, std::move(answer));
          });
        };
        if (first->agent_ == nullptr) {
          return reply(Fail(ErrorCode::kUnsupported, "this node's members are fixed"));
        }
        first->agent_->OnCommand(std::move(verb), std::move(body), std::move(reply));
      });
}

void ShardLoop::AnswerCommand(std::uint64_t id, Result<std::string> answer) {
  const auto place = commands_.find(id);
  if (place == commands_.end()) return;  // too late
  const ClusterCommandPending command = std::move(place->second);
  commands_.erase(place);
  reactor_->CancelTimer(command.timer);
  command.done(std::move(answer));
}

// The tokens of the keys that came from clients here.
void ShardLoop::LocateKeys() {
  unlocated_.clear();
  key_bytes_.clear();
  for (Gathered& each : settling_) {
    auto* client = std::get_if<GatheredRequest>(&each);
    if (client == nullptr || client->client.sink == nullptr) continue;
    if (RowKey* key = KeyOf(client->request)) {
      unlocated_.push_back(key);
      key_bytes_.push_back(key->key.view());
    }
  }
  tokens_.resize(unlocated_.size());
  TokensOf(view_->ring.partitioner(), key_bytes_, tokens_.data());
  for (std::size_t i = 0; i < unlocated_.size(); ++i) unlocated_[i]->token = tokens_[i];
}

void ShardLoop::LookUpRows() {
  keys_.clear();
  for (Gathered& each : settling_) {
    const RowKey* key = nullptr;
    bool changes = false;
    if (auto* client = std::get_if<GatheredRequest>(&each)) {
      key = KeyOf(client->request);
      changes = std::holds_alternative<PutRequest>(client->request);
    } else {
      const Message& message = std::get<GatheredMessage>(each).message;
      key = KeyOf(message);
      changes = std::holds_alternative<ReplicaPut>(message);
    }
    if (key == nullptr) continue;
    keys_.push_back(key);
    if (changes) shard_.ledger().Prefetch(*key);
  }
  session_->Prefetch(keys_);
}

// A node that fills up has none of them, as a rule.
void ShardLoop::ExpectRows(const RangeGetReply& batch) {
  if (batch.records.empty()) return;
  session_->ExpectReads(batch.records.front().key, batch.records.back().key);
}

void ShardLoop::RunGathered(GatheredRequest& gathered) {
  const ShardId owner = ShardOfRequest(gathered.request, view_->ring, shard_count_);
  if (owner != index_) {
    ShardLoop* other = siblings_[owner.value];
    other->reactor_->Post([other, request = std::move(gathered.request), from = index_,
                           client = clients_.Add(gathered.client)]() mutable {
      other->TakeRequest(std::move(request), from, client);
    });
    return;
  }
  ClientResult result;
  if (shard_.AnswerAtOnce(gathered.request, now(), result)) {
    return Answer(gathered.client, std::move(result));
  }
  shard_.OnClientRequest(clients_.Add(gathered.client), std::move(gathered.request), now(),
                         effects_);
  Carry();
}

void ShardLoop::Answer(const PendingClient& client, ClientResult&& result) {
  value_bytes_ -= client.bytes;
  if (client.sink != nullptr) return client.sink->OnResult(client.tag, std::move(result));
  ShardLoop* asker = siblings_[client.from_shard.value];
  asker->reactor_->Post([asker, id = client.from_client, result = std::move(result)]() mutable {
    asker->Answer(asker->clients_.Take(id), std::move(result));
  });
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
      return session_->Write(
          {write.id, std::move(write.key), std::move(write.row), write.leaf_delta, write.run});
    }
    case 3: {
      auto& scan = std::get<ScanEffect>(effect);
      return session_->Scan(scan.id, scan.range);
    }
    default: {
      auto& reply = std::get<ReplyEffect>(effect);
      return Answer(clients_.Take(reply.client), std::move(reply.result));
    }
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
  } else if (auto* lost = std::get_if<RowsLost>(&completion)) {
    shard_.OnRowsLost(lost->leaves, now(), effects_);
  } else {
    auto& scan = std::get<ScanDone>(completion);
    shard_.OnScanDone(scan.id, std::move(scan.page), now(), effects_);
  }
}

// ---- peers -------------------------------------------------------------------------------------

void ShardLoop::Send(SendEffect& send) {
  // Who is not reached (no link, or too much queued on it) is as if lost on the way: the core's
  // timers know.
  Envelope envelope{index_, send.to_shard, std::move(send.message)};
  if (links_.Send(send.to.span(), envelope) > 0 || !send.to_shard) return;
  // A reply. The question came over a link of another shard, and this one has none yet.
  SendForSibling(send.to.front(), std::move(envelope), siblings_.size() - 1);
}

void ShardLoop::SendForSibling(NodeId to, Envelope&& envelope, std::size_t tries_left) {
  if (tries_left == 0) return;
  ShardLoop* next = siblings_[(index_.value + 1u) % siblings_.size()];
  next->reactor_->Post([next, to, tries_left, envelope = std::move(envelope)]() mutable {
    if (next->links_.Send(to, envelope)) return;
    next->SendForSibling(to, std::move(envelope), tries_left - 1);
  });
}

void ShardLoop::SetView(ClusterViewPtr view) {
  view_ = std::move(view);
  shard_.OnView(view_, now(), effects_);
  Carry();
}

bool ShardLoop::SendToNode(NodeId to, NodeMessage message) {
  return links_.Send(to, Envelope{index_, ShardId(0), std::move(message)});
}

bool ShardLoop::SendToGuest(NodeId to, NodeMessage message) {
  return links_.SendToGuest(to, Envelope{index_, ShardId(0), std::move(message)});
}

void ShardLoop::OnFrame(NodeId from, Envelope&& envelope) {
  if (auto* message = std::get_if<NodeMessage>(&envelope.message)) {
    ShardLoop* first = siblings_.front();
    if (first == this) {
      if (agent_ != nullptr) agent_->OnNodeMessage(from, std::move(*message));
      return;
    }
    return first->reactor_->Post([first, from, message = std::move(*message)]() mutable {
      if (first->agent_ != nullptr) first->agent_->OnNodeMessage(from, std::move(message));
    });
  }
  const ShardId shard = ShardOfMessage(envelope, view_->ring, shard_count_);
  if (shard == index_) return TakeMessage(from, std::move(envelope));
  ShardLoop* other = siblings_[shard.value];
  other->reactor_->Post([other, from, envelope = std::move(envelope)]() mutable {
    other->TakeMessage(from, std::move(envelope));
  });
}

void ShardLoop::TakeMessage(NodeId from, Envelope&& envelope) {
  if (KeyOf(envelope.message) != nullptr) {
    gathered_.push_back(GatheredMessage{from, envelope.from_shard, std::move(envelope.message)});
    return SettleIfMany();
  }
  if (const auto* batch = std::get_if<RangeGetReply>(&envelope.message)) ExpectRows(*batch);
  shard_.OnMessage(from, envelope.from_shard, std::move(envelope.message), now(), effects_);
  Carry();
}

void ShardLoop::OnPeerUp(NodeId peer, const LinkTerms& terms) {
  shard_.OnPeerUp(peer, terms, now(), effects_);
  Carry();
  if (agent_ != nullptr) agent_->OnPeerUp(peer, terms);
}

void ShardLoop::OnPeerDown(NodeId peer, std::string_view /*reason*/) {
  shard_.OnPeerDown(peer, now(), effects_);
  Carry();
  if (agent_ != nullptr) agent_->OnPeerDown(peer);
}

void ShardLoop::OnGuestUp(NodeId guest, std::string_view name) {
  if (agent_ != nullptr) agent_->OnGuestUp(guest, name);
}

void ShardLoop::OnGuestDown(NodeId guest, std::string_view /*reason*/) {
  if (agent_ != nullptr) agent_->OnGuestDown(guest);
}

void ShardLoop::OnGuestFrame(NodeId from, Envelope&& envelope) {
  auto* message = std::get_if<NodeMessage>(&envelope.message);
  if (agent_ != nullptr && message != nullptr) {
    agent_->OnGuestMessage(from, std::move(*message));
  }
}

void ShardLoop::OnGuestUnreachable(std::string_view address, std::string_view problem) {
  if (agent_ != nullptr) agent_->OnGuestUnreachable(address, problem);
}

void ShardLoop::OnFoundedApart(const Handshake& theirs) {
  ShardLoop* first = siblings_.front();
  first->reactor_->Post([first, theirs] {
    if (first->agent_ != nullptr) first->agent_->OnFoundedApart(theirs);
  });
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
    GiveTurns();
  } while (!gathered_.empty());  // by who got an answer and asks on: the next turn may be far away
  session_->Flush();
  reactor_->SetWake(shard_.NextWake());
}

void ShardLoop::PublishStats() {
  NodeStats stats = stats_;
  stats.core = shard_.counters();
  stats.requests_in_flight = shard_.requests_in_flight();
  stats.connections_refused = reactor_->stats().refused;
  AddDebts(stats);
  for (const LinkStats& link : links_.Stats()) {
    stats.peers.push_back({link.id, link.name, link.address, link.up, link.queued_bytes, link.links,
                           link.encrypted, link.compressed, link.bytes_before_compression,
                           link.bytes_after_compression, link.reconnects, link.frames_sent,
                           link.frames_received, link.frames_dropped, link.last_problem});
  }
  if (stats_hook_) stats_hook_(stats);
  options_.board->Publish(index_, stats);
  reactor_->AddTimer(now().instant + kPublishInterval, [this] { PublishStats(); });
}

// What this shard owes other nodes, and the work that pays it off.
void ShardLoop::AddDebts(NodeStats& stats) {
  for (const auto& [target, debt] : shard_.ledger().hints().by_target()) {
    const std::int64_t age_ms = std::max<std::int64_t>(now().wall.ms - debt.oldest.ms, 0);
    stats.owed.push_back(
        {target, NodeNameOf(*view_, target), debt.hints, debt.bytes, Duration::Millis(age_ms)});
  }
  hints_replayed_.Note(stats.core.hints_replayed, now().instant);
  stats.hints_replayed_per_second = hints_replayed_.PerSecond();
  stats.background = {shard_.budget().bytes_per_second(), shard_.budget().bytes_spent()};
  stats.leaf_bytes = shard_.ledger().tree().bytes();
  stats.tree_sum = shard_.ledger().tree().sum();
  stats.purge_waiting = shard_.purge_candidates();
  stats.shards_starting = shard_.serving() ? 0 : 1;
  stats.shards_draining = drain_ ? 1 : 0;
  const Shard::RepairState repair = shard_.repair_state();
  stats.repair = {repair.pairs, repair.unequal, repair.waiting, repair.unfilled};
  const Shard::Transfers transfers = shard_.transfers();
  for (const auto& [partition, stream] : transfers.streams) {
    stats.transfers.push_back(
        {partition, NodeNameOf(*view_, stream.peer),
         static_cast<double>(stream.leaves_done) / std::max<std::uint32_t>(stream.leaves, 1),
         stream.rows, stream.bytes, now().instant - stream.began});
  }
  stats.transfers_waiting = transfers.waiting;
  exchanges_.Note(stats.core.exchanges, now().instant);
  stats.exchanges_per_second = exchanges_.PerSecond();
  const Shard::ScrubState scrub = shard_.scrub_state();
  stats.scrub = {scrub.partitions, scrub.begun};
}

}  // namespace gyre
