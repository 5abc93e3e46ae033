#include "sim/world.h"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace gyre::sim {
namespace {

constexpr WallTime kWorldBegins{1'790'000'000'000};

std::vector<RowKey> MakeKeys(const WorldSpec& spec, const ClusterView& view) {
  std::vector<RowKey> keys;
  for (int i = 0; i < spec.keys; ++i) {
    const KeyspaceConfig& keyspace =
        spec.keyspaces[static_cast<std::size_t>(i) % spec.keyspaces.size()];
    const std::string name = "key-" + std::to_string(i);
    keys.push_back({KeyspaceIdOf(keyspace.name), view.ring.TokenOf(name), Bytes(name)});
  }
  return keys;
}

SimClock DrawClock(Prng& prng, bool differ) {
  if (!differ) return SimClock(kWorldBegins, 1'000'000);
  const std::int64_t rate = 1'000'000 + prng.Between(-1'000, 1'000);
  std::int64_t offset_ms = prng.Between(-50, 50);
  if (prng.Chance(100'000)) offset_ms = prng.Between(-3'600'000, 3'600'000);
  return SimClock(WallTime{kWorldBegins.ms + offset_ms}, rate);
}

}  // namespace

World::World(const WorldSpec& spec, const PlantInfo* plant, bool print)
    : spec_(spec),
      plant_(plant == nullptr ? std::make_unique<PlantedBug>() : plant->make()),
      prng_(spec.seed * 2 + 1) {
  world_.events = &events_;
  world_.trace = &trace_;
  world_.plant = plant_.get();
  Layout layout = MakeLayout(spec_);
  world_.view = MakeView(spec_, layout);
  decided_.push_back(std::make_shared<Decided>(Decided{std::move(layout), world_.view}));
  world_.config = spec_.config;
  world_.print = print;
  for (const Member& member : spec_.members) world_.ids.push_back(member.id);
  judge_ =
      std::make_unique<Judge>(world_.view, spec_.config, MakeKeys(spec_, *world_.view), world_.ids);
  world_.judge = judge_.get();
  judge_->all_storages = [this] { return storages(); };
  if (print) judge_->on_new_write = [this](const std::string& text) { Print(text); };
  const int nodes = static_cast<int>(spec_.members.size());
  network_ = std::make_unique<Network>(events_, prng_.Next(), nodes, spec_.network,
                                       [this](int from, int to, const Bytes& frame, Fate fate) {
                                         node(to).OnFrame(from, frame, fate);
                                       });
  world_.network = network_.get();
  for (int a = 0; a < nodes; ++a) {
    for (int b = 0; b < nodes; ++b) {
      if (RegionOf(a) != RegionOf(b)) network_->SetDistance(a, b, spec_.region_distance_us);
    }
  }
  world_.greets = [this](int from, const Greeting& greeting) {
    return node(from).IsOfThisLife(greeting);
  };
  world_.joined = [this](NodeId id) { return node(world_.node_of.at(id)).joined(); };
  world_.answer = [this](const Witness& witness, ClientId client, ClientResult result) {
    OnAnswer(witness, client, std::move(result));
  };
  for (int i = 0; i < nodes; ++i) {
    const NodeId id = spec_.members[static_cast<std::size_t>(i)].id;
    world_.node_of[id] = i;
    // Apart: compilers differ in the order of arguments, and a seed is one world in all of them.
    const SimClock clock = DrawClock(prng_, spec_.clocks_differ);
    const std::uint64_t seed = prng_.Next();
    nodes_.push_back(std::make_unique<SimNode>(world_, i, id,
                                               spec_.shard_counts[static_cast<std::size_t>(i)],
                                               seed, spec_.storage, clock));
  }
  for (std::size_t i = 0; i < spec_.versions.size(); ++i) {
    nodes_[i]->SetVersion(spec_.versions[i]);
  }
  known_.resize(nodes_.size());
  links_.resize(nodes_.size() * nodes_.size());
  backups_.resize(nodes_.size());
}

void World::Note(const std::string& what) {
  trace_.Event(events_.now(), std::string_view(what));
  Print(what);
}

void World::Print(const std::string& what) const {
  if (world_.print) {
    std::printf("%12.6f  %s\n", static_cast<double>(events_.now()) / 1e6, what.c_str());
  }
}

int World::FindNode(std::string_view name) const {
  for (std::size_t i = 0; i < spec_.members.size(); ++i) {
    if (spec_.members[i].name == name) return static_cast<int>(i);
  }
  GYRE_CHECK(false);
  return -1;
}

void World::SetClockRight(int index) {
  const std::int64_t ms = kWorldBegins.ms + events_.now() / 1000 + prng_.Between(-20, 20);
  node(index).clock().SetWall(events_.now(), WallTime{ms});
}

bool World::Owns(int node, const RowKey& key) const {
  const KeyspaceConfig* keyspace = view().FindKeyspace(key.keyspace);
  return view().Owns(spec_.members[static_cast<std::size_t>(node)].id,
                     view().ring.PartitionOf(key.token), *keyspace);
}

std::vector<const SimStorage*> World::storages() const {
  std::vector<const SimStorage*> storages;
  for (const auto& node : nodes_) storages.push_back(&node->storage());
  return storages;
}

// ---- who owns what -----------------------------------------------------------------------------

bool World::CanTalk(int a, int b) {
  if (a == b) return node(a).up() && !node(a).paused();
  return node(a).up() && node(b).up() && !node(a).paused() && !node(b).paused() &&
         !network_->IsCut(a, b) && !network_->IsCut(b, a);
}

bool World::ReachesMajority(int index, const Layout& of) {
  const std::vector<NodeId> voters = of.MemberIds();
  std::size_t votes = 0;
  for (const NodeId voter : voters) votes += CanTalk(index, world_.node_of.at(voter));
  return 2 * votes > voters.size();
}

void World::CatchUp(int index) {
  std::size_t number = known_[static_cast<std::size_t>(index)];
  while (number + 1 < decided_.size() && ReachesMajority(index, decided_[number]->layout)) {
    Adopt(index, ++number);
  }
}

bool World::Decide(int proposer, Layout next) {
  if (!KnowsNewest(proposer) || layout().FindMember(node(proposer).id()) == nullptr) return false;
  if (!ReachesMajority(proposer, layout())) return false;
  GYRE_CHECK(next.number().value == layout().number().value + 1);
  // As it comes out of a file.
  Result<Layout> stored = Layout::Decode(next.Encode());
  GYRE_CHECK(stored.has_value());
  world_.view = MakeView(spec_, *stored);
  decided_.push_back(std::make_shared<Decided>(Decided{*std::move(stored), world_.view}));
  judge_->OnView(world_.view);
  Note("layout " + std::to_string(layout().number().value) + ": " +
       std::to_string(layout().ring().members().size()) + " members, " +
       std::to_string(layout().moves().count()) + " partitions move");
  Adopt(proposer, decided_.size() - 1);
  return true;
}

bool World::KnowEachOther(int a, int b) {
  return node(a).view()->FindMember(node(b).id()) != nullptr &&
         node(b).view()->FindMember(node(a).id()) != nullptr;
}

void World::Adopt(int index, std::size_t number) {
  known_[static_cast<std::size_t>(index)] = number;
  node(index).SetView(decided_[number]->view);
  Note("node " + std::to_string(index) + " takes layout " +
       std::to_string(decided_[number]->layout.number().value));
  if (!node(index).up()) return;
  for (int peer = 0; peer < static_cast<int>(nodes_.size()); ++peer) {
    if (peer == index) continue;
    const bool linked = link(index, peer).told_up;
    if (linked && !KnowEachOther(index, peer)) {
      // Unless the next layout, which may come at once, has them both.
      const auto part = [this](int a, int b, std::int64_t delay) {
        events_.After(delay, [this, a, b] {
          if (!KnowEachOther(a, b)) TellDown(a, b, 0);
        });
      };
      part(index, peer, 0);
      part(peer, index, prng_.Between(0, 5'000));
    }
    if (!linked && KnowEachOther(index, peer)) TellUp(index, peer, prng_.Between(100, 20'000));
  }
  if (node(index).IsMember()) return;
  events_.After(prng_.Between(1'000, 100'000), [this, index, life = node(index).life()] {
    if (node(index).life() != life || node(index).IsMember()) return;
    node(index).paused() ? CrashNode(index, CrashKind::kProcess) : StopNode(index);
    if (removed_.contains(index)) WipeNode(index);
  });
}

void World::Tell(int from, int to) {
  const std::size_t number = known_[static_cast<std::size_t>(from)];
  if (number > known_[static_cast<std::size_t>(to)]) Adopt(to, number);
}

void World::SpreadRumours() {
  events_.After(prng_.Between(2'000, spec_.rumour_us_max), [this] {
    if (rumours_end_) return;
    const int from = static_cast<int>(prng_.Below(nodes_.size()));
    const int to = static_cast<int>(prng_.Below(nodes_.size()));
    if (from != to && CanTalk(from, to)) Tell(from, to);
    SpreadRumours();
  });
}

// ---- links -------------------------------------------------------------------------------------

void World::TellDown(int a, int b, std::int64_t delay) {
  const std::uint64_t generation = link(a, b).generation;
  events_.After(delay, [this, a, b, generation] {
    LinkState& state = link(a, b);
    if (state.generation != generation || !state.told_up || !node(a).up()) return;
    state.told_up = false;
    Note("node " + std::to_string(a) + " hears that " + std::to_string(b) + " is down");
    node(a).OnPeerDown(node(b).id());
  });
}

// A link comes up at both ends, or not at all.
void World::TellUp(int a, int b, std::int64_t delay) {
  events_.After(delay, [this, a, b] {
    if (!node(a).up() || !node(b).up() || !KnowEachOther(a, b)) return;
    if (network_->IsCut(a, b) || network_->IsCut(b, a)) return;
    for (const auto& [self, peer] : {std::pair(a, b), std::pair(b, a)}) {
      LinkState& state = link(self, peer);
      ++state.generation;
      // The old connection is known to be gone before there is a new one.
      if (state.told_up) node(self).OnPeerDown(node(peer).id());
      state.told_up = true;
      node(self).OnPeerUp(node(peer).id(),
                          {.shard_count = node(peer).shard_count(),
                           .version = std::min(node(self).version(), node(peer).version()),
                           .peer_version_max = node(peer).version()});
    }
  });
}

void World::CutLink(int from, int to, bool noticed) {
  network_->Cut(from, to);
  if (!noticed) return;
  TellDown(from, to, prng_.Between(1'000, 300'000));
  TellDown(to, from, prng_.Between(1'000, 300'000));
}

void World::UncutLink(int from, int to) {
  network_->Uncut(from, to);
  if (network_->IsCut(from, to) || network_->IsCut(to, from)) return;
  if (!link(from, to).told_up || !link(to, from).told_up || prng_.Chance(300'000)) {
    TellUp(from, to, prng_.Between(1'000, 50'000));
  }
}

void World::FlapLink(int a, int b) {
  TellDown(a, b, prng_.Between(0, 1'000));
  TellDown(b, a, prng_.Between(0, 20'000));
  TellUp(a, b, prng_.Between(20'001, 100'000));
}

// ---- nodes -------------------------------------------------------------------------------------

void World::StartAll() {
  for (int i = 0; i < static_cast<int>(nodes_.size()); ++i) StartNode(i);
  if (spec_.changes > 0 && events_.now() == 0) SpreadRumours();
}

void World::StartNode(int index) {
  if (node(index).up() || !node(index).IsMember()) return;
  // Where one copy is a quorum it answers alone, until it hears that it is no member (ADR 8: dead
  // must mean dead).
  if (removed_.contains(index)) judge_->PromiseNothing();
  Note("node " + std::to_string(index) + " starts");
  node(index).Start();
  for (int peer = 0; peer < static_cast<int>(nodes_.size()); ++peer) {
    if (peer == index) continue;
    link(index, peer).told_up = false;
    ++link(index, peer).generation;
    if (node(peer).up()) TellUp(index, peer, prng_.Between(100, 20'000));
  }
}

void World::BreakRequests(int index) {
  for (int peer = 0; peer < static_cast<int>(nodes_.size()); ++peer) {
    if (peer != index) {
      TellDown(peer, index,
               prng_.Chance(800'000) ? prng_.Between(0, 5'000) : prng_.Between(0, 500'000));
    }
  }
  for (auto it = pending_.begin(); it != pending_.end();) {
    const auto here = it++;
    if (here->second.op.node != index || here->second.op.outcome != OpOutcome::kPending) continue;
    judge_->OnNoAnswer(here->second.op);
    EndOp(here, nullptr);
    it = pending_.begin();  // the callback may have changed the table
  }
}

void World::CrashNode(int index, CrashKind kind) {
  Note("node " + std::to_string(index) +
       (kind == CrashKind::kPower ? " loses power" : " is killed"));
  const SimStorage::RowList lost = node(index).Crash(kind);
  for (const auto& [key, row] : lost) judge_->OnLoss(index, key, row, storages());
  network_->DropUndelivered(index, prng_.Chance(500'000) ? 0 : prng_.Below(1'000'001));
  BreakRequests(index);
  if (plant_->forgets_layouts()) ForgetLayout(index);
}

void World::StopNode(int index) {
  Note("node " + std::to_string(index) + " stops");
  node(index).StopCleanly();
  BreakRequests(index);
}

void World::WipeNode(int index) {
  Note("node " + std::to_string(index) + " loses its disk");
  const SimStorage::RowList lost = node(index).WipeDisk();
  for (const auto& [key, row] : lost) {
    judge_->OnLoss(index, key, row, storages(), Judge::Loss::kDisk);
  }
  if (MayForgetLayout(index)) ForgetLayout(index);
}

// With its disk a node loses the layout, and starts as it was founded. Not so one that joined later
// (it asks at its start), or was removed (nobody starts it again); nor while it is news to most of
// the founders, who could go on with it without those that have joined. With a single copy of a
// keyspace it would answer for what has moved from it. (docs/adr/0015-empty-disks.md, what is not
// covered.)
bool World::MayForgetLayout(int index) const {
  const NodeId id = nodes_[static_cast<std::size_t>(index)]->id();
  const ClusterView& founders = *decided_.front()->view;
  if (founders.FindMember(id) == nullptr) return false;
  if (view().FindMember(id) == nullptr) return false;
  for (const KeyspaceConfig& keyspace : spec_.keyspaces) {
    if (keyspace.replicas == 1) return false;
  }
  std::size_t others = 0;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    others += static_cast<int>(i) != index && founders.FindMember(nodes_[i]->id()) != nullptr &&
              known_[i] >= known_[static_cast<std::size_t>(index)];
  }
  return 2 * others > founders.member_count();
}

void World::ForgetLayout(int index) {
  known_[static_cast<std::size_t>(index)] = 0;
  node(index).SetView(decided_.front()->view);
}

void World::BackUpNode(int index) {
  Note("node " + std::to_string(index) + " is backed up");
  backups_[static_cast<std::size_t>(index)] = node(index).storage().BackUp();
}

void World::RestoreNode(int index) {
  Note("the disk of node " + std::to_string(index) + " is restored from a backup");
  const SimStorage::RowList lost =
      node(index).RestoreDisk(*backups_[static_cast<std::size_t>(index)]);
  for (const auto& [key, row] : lost) judge_->OnLoss(index, key, row, storages());
}

bool World::MayReplaceDisk(int index) const {
  return std::none_of(nodes_.begin(), nodes_.end(), [&](const auto& node) {
    return node->index() != index && node->replaced() && view().FindMember(node->id()) != nullptr;
  });
}

bool World::RotRow(int index, const RowKey& key) {
  SimStorage& storage = node(index).storage();
  const Row* row = storage.Latest(key);
  if (row == nullptr) return false;
  if (!OwnerHolds(index, key)) return false;
  const Row lost = *row;
  storage.Rot(key);
  judge_->OnLoss(index, key, lost, storages());
  return true;
}

bool World::OwnerHolds(int index, const RowKey& key) const {
  const KeyspaceConfig& keyspace = *view().FindKeyspace(key.keyspace);
  if (keyspace.replicas == 1) return false;
  const NodeList owners = view().OwnersOf(view().ring.PartitionOf(key.token), keyspace);
  return std::any_of(nodes_.begin(), nodes_.end(), [&](const auto& other) {
    return other->index() != index && !other->replaced() && owners.Contains(other->id()) &&
           other->storage().Durable(key) != nullptr;
  });
}

bool World::LoseRow(int index, const RowKey& key) {
  SimStorage& storage = node(index).storage();
  const Row* row = storage.Latest(key);
  if (row == nullptr || !OwnerHolds(index, key)) return false;
  const Row lost = *row;
  if (!storage.Lose(key)) return false;
  judge_->OnLoss(index, key, lost, storages());
  return true;
}

void World::EndFaults() {
  spec_.rumour_us_max = std::min<std::int64_t>(spec_.rumour_us_max, 60'000);
  Note("faults end");
  network_->Calm();
  for (int i = 0; i < static_cast<int>(nodes_.size()); ++i) {
    node(i).storage().Calm();
    // Where one clock runs four times as fast as another, ballots that wait for a sync time out.
    node(i).clock().SetRate(events_.now(), 1'000'000);
    if (node(i).up()) CrashNode(i, CrashKind::kProcess);
    if (removed_.contains(i)) WipeNode(i);  // what came to it since
  }
  // A damaged row is repaired from the other owners; without any of them there is nothing to
  // repair.
  for (const RowKey& key : judge_->keys()) {
    const bool anywhere = std::any_of(nodes_.begin(), nodes_.end(), [&](const auto& node) {
      return node->storage().Durable(key) != nullptr;
    });
    if (anywhere) continue;
    for (const auto& node : nodes_) node->storage().DropDamaged(key);
  }
  for (int i = 0; i < static_cast<int>(nodes_.size()); ++i) {
    if (layout().FindMember(node(i).id()) == nullptr) continue;
    // Somebody tells it, or it would be no member for ever.
    if (!node(i).IsMember()) Adopt(i, decided_.size() - 1);
    StartNode(i);
  }
  RunFor(100'000);
}

// ---- clients -----------------------------------------------------------------------------------

bool World::Submit(Op op, ClientRequest request, AnswerCallback done) {
  SimNode& target = node(op.node);
  if (!target.up()) {
    ++totals_.refused_connections;
    return false;
  }
  op.id = next_op_++;
  op.start = events_.now();
  op.local_start = target.LocalNow().instant;
  op.node_pauses = target.paused() ? UINT64_MAX : target.pauses();
  judge_->OnOpStart(op);
  const std::uint64_t id = op.id;
  const int read_needed = op.read_needed;
  if (const auto* scan = std::get_if<ScanRequest>(&request)) scans_[id] = *scan;
  Duration timeout = std::visit([](const auto& r) { return r.options.timeout; }, request);
  if (timeout.us == 0) timeout = spec_.config.request_timeout;
  op.timeout = timeout;
  const int index = op.node;
  pending_.emplace(id, PendingOp{std::move(op), std::move(done)});
  GiveUpLater(id, 2 * timeout.us + 300'000);
  events_.After(prng_.Between(10, 300),
                [this, id, index, read_needed, life = target.life(), request = std::move(request)] {
                  if (node(index).life() != life || !pending_.contains(id)) return;
                  node(index).OnRequest(ClientId(id), request, read_needed);
                });
  return true;
}

// A client waits well past the timeout that it asked for. A node that was awake all the time and
// has not answered by then has broken its word.
void World::GiveUpLater(std::uint64_t id, std::int64_t delay) {
  events_.After(delay, [this, id] {
    const auto place = pending_.find(id);
    if (place == pending_.end() || place->second.op.outcome != OpOutcome::kPending) return;
    Op& op = place->second.op;
    SimNode& asked = node(op.node);
    const Duration waited = asked.LocalNow().instant - op.local_start;
    const bool awake = !asked.paused() && asked.pauses() == op.node_pauses;
    constexpr Duration kSlack = Duration::Millis(50);
    if (awake && waited < op.timeout + kSlack) return GiveUpLater(id, op.timeout.us + 100'000);
    if (awake) {
      judge_->Report(Checker::kBounds, std::string(OpKindName(op.kind)) + " " + std::to_string(id) +
                                           " was not answered in " + std::to_string(waited.ms()) +
                                           " ms, its timeout was " +
                                           std::to_string(op.timeout.ms()) + " ms");
    }
    judge_->OnNoAnswer(op);
    EndOp(place, nullptr);
  });
}

void World::EndOp(std::map<std::uint64_t, PendingOp>::iterator place, const ClientResult* result) {
  PendingOp ended = std::move(place->second);
  pending_.erase(place);
  scans_.erase(ended.op.id);
  ended.op.end = events_.now();
  ++totals_.ops[{ended.op.kind, ended.op.outcome}];
  if (ended.op.error) ++totals_.errors[*ended.op.error];
  if (world_.print) {
    constexpr std::string_view kOutcomes[] = {"pending", "ok", "refused", "unknown"};
    Print(std::string(OpKindName(ended.op.kind)) + " " + std::to_string(ended.op.id) + " of key " +
          std::to_string(ended.op.key) + " at node " + std::to_string(ended.op.node) + ": " +
          std::string(kOutcomes[static_cast<int>(ended.op.outcome)]) +
          (result == nullptr ? " (no answer)"
                             : (*result ? "" : " (" + result->error().message + ")")));
  }
  ended.done(ended.op, result);
}

void World::OnAnswer(const Witness& witness, ClientId client, ClientResult result) {
  judge_->SetTime(events_.now());
  const auto place = pending_.find(client.value);
  if (place == pending_.end()) return;  // the client has given up
  Op& op = place->second.op;
  judge_->OnAnswer(witness, op, result);
  if (result && std::holds_alternative<ScanOutcome>(*result)) {
    CheckScan(op, scans_[op.id], std::get<ScanOutcome>(*result));
  }
  // The client acts on it after the node's handler has returned.
  if (world_.print && result) {
    if (const auto* get = std::get_if<GetOutcome>(&*result)) Print("  " + ToString(get->record));
  }
  // It stays in the table until then, so that a second answer is seen as one.
  auto shared = std::make_shared<ClientResult>(std::move(result));
  events_.At(events_.now(), [this, id = client.value, shared] {
    const auto still = pending_.find(id);
    if (still != pending_.end()) EndOp(still, shared.get());
  });
}

void World::CheckScan(const Op& /*op*/, const ScanRequest& request, const ScanOutcome& outcome) {
  if (outcome.keys.size() > request.limit) {
    judge_->Report(Checker::kBounds, "a page of a scan is longer than its limit");
  }
  for (const ScannedKey& key : outcome.keys) {
    const auto& keys = judge_->keys();
    const bool known = std::any_of(keys.begin(), keys.end(), [&](const RowKey& k) {
      return k.key == key.key && k.keyspace == request.keyspace &&
             PartitionOf(k.token, request.partition_bits) == request.partition;
    });
    if (!known) {
      judge_->Report(Checker::kInvented, "a scan shows a key that is not of its partition");
    }
  }
}

void World::RunUntilAnswered() {
  while (!pending_.empty() && events_.RunNext()) judge_->SetTime(events_.now());
}

// ---- the end -----------------------------------------------------------------------------------

bool World::AllEqual() const {
  for (std::size_t key = 0; key < judge_->keys().size(); ++key) {
    if (!judge_->OwnersEqual(key, storages())) return false;
  }
  return true;
}

void World::ReadEveryKey(QuorumSpec read, int start) {
  for (std::size_t key = 0; key < judge_->keys().size(); ++key) {
    Op op;
    op.kind = OpKind::kGet;
    op.key = key;
    op.reads = true;
    op.node = static_cast<int>((key + static_cast<std::size_t>(start)) % nodes_.size());
    if (!node(op.node).up()) op.node = start;
    const KeyspaceConfig* keyspace = view().FindKeyspace(judge_->keys()[key].keyspace);
    op.read_needed = *view().LeastCopies(read, *keyspace);
    GetRequest get{judge_->keys()[key],
                   {read, std::nullopt, Duration::Seconds(5), /*sloppy=*/false}};
    Submit(op, get, [](const Op&, const ClientResult*) {});
  }
  RunUntilAnswered();
  RunFor(4 * spec_.config.straggler_timeout.us + 500'000);
}

// Nothing is owed, nothing differs, and every tree is that of its rows.
bool World::Whole() const {
  if (layout().moves().any() || !layout().leaving().empty()) return false;
  for (const auto& node : nodes_) {
    if (!node->up()) continue;
    if (!KnowsNewest(node->index()) || !node->IsMember()) return false;
    for (const RowKey& key : judge_->keys()) {
      if (!Owns(node->index(), key) && node->storage().Latest(key) != nullptr) return false;
    }
    const auto& rows = node->storage().rows();
    if (!rows.empty() && rows.rbegin()->first.is_hint()) return false;
    if (!node->TreesAreRight()) return false;
  }
  return AllEqual();
}

std::int64_t World::HealAndCheck() {
  RunUntilAnswered();
  EndFaults();
  RunFor(12'000'000);  // what is still on its way over slow links arrives
  // Without anybody asking: hints are handed over, trees compared, rows scrubbed. A cycle of each,
  // and what its steps may take.
  const CoreConfig& config = spec_.config;
  const std::int64_t healing = events_.now();
  // Partitions that move are settled one by one, each as all come to know of the one before.
  const auto moving = static_cast<std::int64_t>(layout().moves().count());
  const std::int64_t end = healing + 3 * config.repair_cycle.us + 3 * config.scrub_cycle.us +
                           60'000'000 + moving * 2'000'000;
  while (!Whole() && events_.now() < end) RunFor(50'000);
  const std::int64_t healed_us = events_.now() - healing;
  const bool equal = AllEqual();
  if (!Whole()) {
    std::string text = "not whole after " + std::to_string(healed_us / 1'000) + " ms:";
    if (layout().moves().any()) {
      text += " " + std::to_string(layout().moves().count()) + " partitions move";
    }
    if (!layout().leaving().empty()) text += " members leave";
    for (const auto& node : nodes_) {
      if (!node->up()) continue;
      if (!KnowsNewest(node->index()) || !node->IsMember()) {
        text += " node " + std::to_string(node->index()) + " does not know the newest layout";
      }
      const bool surplus =
          std::any_of(judge_->keys().begin(), judge_->keys().end(), [&](const RowKey& key) {
            return !Owns(node->index(), key) && node->storage().Latest(key) != nullptr;
          });
      if (surplus) text += " node " + std::to_string(node->index()) + " holds what others own";
      const auto& rows = node->storage().rows();
      if (!rows.empty() && rows.rbegin()->first.is_hint()) {
        text += " node " + std::to_string(node->index()) + " keeps hints";
      }
      if (!node->TreesAreRight()) {
        text += " a tree of node " + std::to_string(node->index()) + " is not that of its rows";
      }
    }
    judge_->Report(Checker::kConvergence, text);
  }
  for (std::size_t key = 0; key < judge_->keys().size(); ++key) {
    if (judge_->OwnersEqual(key, storages())) continue;
    std::string text = "when all should be whole key " + std::to_string(key) + " differs:";
    for (const auto& node : nodes_) {
      const Row* row = node->storage().Latest(judge_->keys()[key]);
      const bool owns = Owns(node->index(), judge_->keys()[key]);
      text += "\n      node " + std::to_string(node->index()) + (owns ? ", an owner: " : ": ");
      if (row == nullptr) {
        text += node->storage().IsRotten(judge_->keys()[key]) ? "damaged" : "nothing";
      } else if (const Result<Record> record = Record::Decode(row->record)) {
        text += ToString(*record);
      }
    }
    judge_->Report(Checker::kConvergence, text);
  }
  if (equal) CheckPurged();
  // What is equal stays as it is (but for what is dead, and purged), and every node gives it.
  std::vector<std::map<RowKey, Row>> rows;
  for (const auto& node : nodes_) rows.push_back(node->storage().rows());
  const auto unchanged = [](const std::map<RowKey, Row>& before, const std::map<RowKey, Row>& now) {
    return std::all_of(now.begin(), now.end(), [&](const auto& row) {
      const auto it = before.find(row.first);
      return IsNote(row.first) || (it != before.end() && it->second == row.second);
    });
  };
  for (int i = 0; i < static_cast<int>(nodes_.size()); ++i) {
    if (node(i).up()) ReadEveryKey(QuorumSpec::Quorum(), i);
  }
  for (const auto& node : nodes_) {
    const auto& before = rows[static_cast<std::size_t>(node->index())];
    if (!equal || unchanged(before, node->storage().rows())) continue;
    judge_->Report(Checker::kConvergence, "node " + std::to_string(node->index()) +
                                              " goes on writing though the owners are equal");
  }
  for (std::size_t key = 0; key < judge_->keys().size(); ++key) {
    judge_->CheckFinal(key, storages());
  }
  CheckQuiet();
  return healed_us;
}

// What all owners hold for dead goes before long when every member is there: as long as purge_after
// tells by each clock, and then in the time of a scrub and of a few ballots in turn.
void World::CheckPurged() {
  const CoreConfig& config = spec_.config;
  const auto dead = [&](const RowKey& key) -> const Row* {
    for (const auto& node : nodes_) {
      if (view().FindMember(node->id()) == nullptr) continue;  // nobody hears of its disk again
      const Row* row = node->storage().Latest(key);
      if (row == nullptr) continue;
      const Result<Record> record = Record::Decode(row->record);
      const auto by = [&](const auto& other) {
        if (!other->up()) return true;
        return record &&
               record->DeadSince({other->LocalNow().wall.ms - config.purge_after.ms() - 1'000});
      };
      return std::all_of(nodes_.begin(), nodes_.end(), by) ? row : nullptr;
    }
    return nullptr;
  };
  std::map<RowKey, Row> waiting;
  for (const RowKey& key : judge_->keys()) {
    if (const Row* row = dead(key)) waiting[key] = *row;
  }
  const std::int64_t begun = events_.now();
  const std::int64_t end = begun + 3 * config.scrub_cycle.us + 3 * config.repair_cycle.us +
                           200 * config.purge_pause.us + 60'000'000;
  while (!waiting.empty() && events_.now() < end) {
    RunFor(20'000);
    std::erase_if(waiting, [&](const auto& row) { return dead(row.first) == nullptr; });
  }
  totals_.purge_us_max = events_.now() - begun;
  for (const auto& [key, row] : waiting) {
    judge_->Report(Checker::kConvergence,
                   "key " + std::to_string(judge_->KeyIndex(key)) + " is dead and not purged in " +
                       std::to_string((events_.now() - begun) / 1'000) + " ms");
  }
}

// Requests end, tasks do not pile up; and once the nodes stop, nothing happens any more.
void World::CheckQuiet() {
  EndRumours();
  RunFor(70'000'000);  // the longest timeout of a request
  const std::size_t sessions = spec_.config.exchange_sessions_max * nodes_.size();
  for (const auto& node : nodes_) {
    // Comparisons begin and end for ever: its own, and answers to those of others.
    const std::size_t tasks_max = 2 * sessions * node->shards().size();
    if (node->requests_in_flight() == 0 && node->tasks_in_flight() <= tasks_max) continue;
    judge_->Report(Checker::kBounds, "node " + std::to_string(node->index()) + " still has " +
                                         std::to_string(node->requests_in_flight()) +
                                         " requests and " +
                                         std::to_string(node->tasks_in_flight()) +
                                         " tasks in flight when all is quiet");
  }
  for (int i = 0; i < static_cast<int>(nodes_.size()); ++i) {
    if (node(i).up()) StopNode(i);
  }
  RunFor(200'000'000);
  if (events_.RunNext()) {
    judge_->Report(Checker::kBounds, "something still happens when all have stopped");
  }
}

}  // namespace gyre::sim
