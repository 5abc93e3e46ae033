#include "sim/workload.h"

#include <algorithm>
#include <utility>

namespace gyre::sim {
namespace {

constexpr std::int64_t kWorldBeginsMs = 1'790'000'000'000;

PutRequest RequestOf(const Write& write, const RowKey& key, const RequestOptions& options) {
  PutRequest put{key, {}, write.read_first, options};
  switch (write.kind) {
    case OpKind::kDelete:
      put.mutation = DeleteValue{write.context};
      break;
    case OpKind::kExpire:
      put.mutation = SetExpiry{write.expiry, SetExpiry::Condition::kAlways};
      break;
    default: {
      WriteValue value;
      value.context = write.context;
      value.value = Bytes(write.value);
      value.checksum = Xxh3_64(write.value);
      value.expiry = write.expiry;
      put.mutation = std::move(value);
    }
  }
  return put;
}

}  // namespace

Workload::Workload(World& world, std::uint64_t seed) : world_(world) {
  Prng prng(seed);
  for (int i = 0; i < world.spec().sessions; ++i) {
    auto session = std::make_unique<Session>();
    session->id = i;
    session->prng = Prng(prng.Next());
    sessions_.push_back(std::move(session));
  }
  own_ = std::make_unique<Session>();
  own_->id = world.spec().sessions;
  own_->prng = Prng(prng.Next());
}

void Workload::Start() {
  for (const auto& session : sessions_) NextAfterThinking(*session);
}

void Workload::NextAfterThinking(Session& session) {
  if (issued_ >= world_.spec().ops) {
    ++done_sessions_;
    return;
  }
  constexpr std::int64_t kRest = 4;
  const std::int64_t think =
      session.prng.Between(0, 2 * world_.spec().think_us_mean * (rests_ ? kRest : 1));
  world_.events().After(think, [this, &session] { Step(session); });
}

std::size_t Workload::DrawKey(Prng& prng) {
  const std::size_t keys = world_.judge().keys().size();
  // The first keys are much hotter than the last.
  return std::min(prng.Below(keys), prng.Below(keys));
}

// Any node, mostly one that listens.
int Workload::DrawNode(Prng& prng) {
  int node = 0;
  for (int tries = 0; tries < 4; ++tries) {
    node = static_cast<int>(prng.Below(world_.node_count()));
    if (world_.node(node).up()) break;
  }
  return node;
}

std::string Workload::NewValue(Session& session) {
  std::string value = "s" + std::to_string(session.id) + "-" + std::to_string(session.next_value++);
  value.append(session.prng.Below(4) == 0 ? session.prng.Below(300) : 0, '.');
  return value;
}

// Unique, so that it names its write.
WallTime Workload::NewExpiry(Session& session) {
  const std::int64_t now = kWorldBeginsMs + world_.events().now() / 1000;
  const std::int64_t ttl = session.prng.Chance(500'000) ? session.prng.Between(1, 500)
                                                        : session.prng.Between(1'000, 600'000);
  last_expiry_ms_ = std::max(last_expiry_ms_ + 1, now + ttl);
  return WallTime{last_expiry_ms_};
}

void Workload::NoteRegions(const RequestOptions& options, Op& op) const {
  const KeyspaceConfig& keyspace =
      *world_.view().FindKeyspace(world_.judge().keys()[op.key].keyspace);
  const auto regions_of = [&](const QuorumSpec& spec) {
    std::vector<std::string> regions;
    for (const RegionCopies& each : keyspace.regions) {
      const bool counts = spec.local() ? each.region == world_.RegionOf(op.node) : spec.by_region();
      if (counts) regions.push_back(each.region);
    }
    return regions;
  };
  const QuorumSpec read = options.read_quorum.value_or(keyspace.read_quorum);
  const QuorumSpec write = options.write_quorum.value_or(keyspace.write_quorum);
  op.read_regions = regions_of(read);
  op.write_regions = regions_of(write);
  op.read_local = read.local();
  op.write_local = write.local();
}

RequestOptions Workload::DrawOptions(Session& session, std::size_t key, Op& op) {
  const KeyspaceConfig* keyspace = world_.view().FindKeyspace(world_.judge().keys()[key].keyspace);
  RequestOptions options;
  Prng& prng = session.prng;
  const auto draw = [&] {
    return QuorumSpec::Number(static_cast<std::uint8_t>(prng.Between(1, keyspace->replicas)));
  };
  if (prng.Chance(200'000)) options.read_quorum = draw();
  if (prng.Chance(200'000)) options.write_quorum = draw();
  if (!keyspace->regions.empty()) {
    if (prng.Chance(300'000)) options.read_quorum = QuorumSpec::LocalQuorum();
    if (prng.Chance(300'000)) options.write_quorum = QuorumSpec::LocalQuorum();
  }
  if (prng.Chance(100'000)) options.timeout = Duration::Millis(prng.Between(5, 500));
  const QuorumSpec read = options.read_quorum.value_or(keyspace->read_quorum);
  const QuorumSpec write = options.write_quorum.value_or(keyspace->write_quorum);
  op.read_needed = *world_.view().LeastCopies(read, *keyspace);
  op.write_needed = *world_.view().LeastCopies(write, *keyspace);
  if (prng.Chance(50'000)) options.sloppy = prng.Chance(500'000);
  op.sloppy = options.sloppy.value_or(keyspace->sloppy);
  op.node = DrawNode(prng);
  op.session = session.id;
  op.key = key;
  NoteRegions(options, op);
  return options;
}

void Workload::Step(Session& session) {
  ++issued_;
  Prng& prng = session.prng;
  const std::size_t key = DrawKey(prng);
  const std::uint64_t choice = prng.Below(1'000);
  if (key == left_alone_) {
    return choice < 900 ? Get(session, key, /*then_write=*/false) : Explain(session, key);
  }
  if (choice < 330) return Get(session, key, /*then_write=*/false);
  if (choice < 480) return Get(session, key, /*then_write=*/true);
  if (choice < 500) return Scan(session);
  if (choice < 510) return Explain(session, key);
  if (choice < 515) return Burst(session);

  Judge& judge = world_.judge();
  if (choice < 640) {  // over what it read last, however long ago
    Write& write = judge.NewWrite(key, OpKind::kPut);
    write.context = session.contexts[key];
    write.value = NewValue(session);
    return DoWrite(session, write);
  }
  if (choice < 680) {  // has seen nothing
    Write& write = judge.NewWrite(key, OpKind::kPut);
    write.context = VersionVector();
    write.value = NewValue(session);
    return DoWrite(session, write);
  }
  if (choice < 830) {  // plain SET, sometimes with a TTL or with GET
    Write& write = judge.NewWrite(key, OpKind::kPut);
    write.value = NewValue(session);
    if (prng.Chance(200'000)) write.expiry = NewExpiry(session);
    write.read_first = prng.Chance(300'000);
    return DoWrite(session, write);
  }
  if (choice < 890) {
    Write& write = judge.NewWrite(key, OpKind::kDelete);
    write.context = session.contexts[key];
    return DoWrite(session, write);
  }
  if (choice < 940) {
    Write& write = judge.NewWrite(key, OpKind::kDelete);
    write.read_first = true;
    return DoWrite(session, write);
  }
  Write& write = judge.NewWrite(key, OpKind::kExpire);
  write.expiry = NewExpiry(session);
  write.read_first = true;
  DoWrite(session, write);
}

void Workload::DoWrite(Session& session, Write& write) {
  world_.judge().OnNewWrite(write);
  Attempt(session, write.id, /*attempts_left=*/3);
}

void Workload::Attempt(Session& session, std::size_t id, int attempts_left) {
  Op op;
  Write& write = world_.judge().write(id);
  const RequestOptions options = DrawOptions(session, write.key, op);
  op.kind = write.kind;
  op.write = id;
  op.reads = write.read_first;
  const bool sent = world_.Submit(
      op, RequestOf(write, world_.judge().keys()[write.key], options),
      [this, &session, id, attempts_left](const Op& ended, const ClientResult* result) {
        if (ended.outcome == OpOutcome::kOk && result != nullptr && session.prng.Chance(500'000)) {
          session.contexts[ended.key] = std::get<PutOutcome>(**result).context;
        }
        if (ended.outcome != OpOutcome::kOk && attempts_left > 1 && session.prng.Chance(500'000)) {
          world_.events().After(
              session.prng.Between(0, 20'000),
              [this, &session, id, attempts_left] { Attempt(session, id, attempts_left - 1); });
          return;
        }
        NextAfterThinking(session);
      });
  if (!sent) NextAfterThinking(session);
}

void Workload::Get(Session& session, std::size_t key, bool then_write) {
  Op op;
  const RequestOptions options = DrawOptions(session, key, op);
  op.kind = OpKind::kGet;
  op.reads = true;
  const bool sent = world_.Submit(
      op, GetRequest{world_.judge().keys()[key], options},
      [this, &session, key, then_write](const Op& /*ended*/, const ClientResult* result) {
        if (result == nullptr || !*result) return NextAfterThinking(session);
        session.contexts[key] = std::get<GetOutcome>(**result).record.clock;
        if (!then_write) return NextAfterThinking(session);
        Write& write = world_.judge().NewWrite(key, OpKind::kPut);
        write.context = session.contexts[key];
        write.value = NewValue(session);
        DoWrite(session, write);
      });
  if (!sent) NextAfterThinking(session);
}

void Workload::Scan(Session& session) {
  Op op;
  const std::size_t key = DrawKey(session.prng);
  RequestOptions options = DrawOptions(session, key, op);
  op.kind = OpKind::kScan;
  ScanRequest scan;
  scan.keyspace = world_.judge().keys()[key].keyspace;
  const Ring& ring = world_.view().ring;
  scan.partition = ring.PartitionOf(world_.judge().keys()[key].token);
  scan.partition_bits = ring.partition_bits();
  scan.limit = static_cast<std::uint32_t>(session.prng.Between(1, 3));
  scan.count_only = session.prng.Chance(200'000);
  scan.options = options;
  const auto next = [this, &session](const Op&, const ClientResult*) {
    NextAfterThinking(session);
  };
  if (!world_.Submit(op, scan, next)) NextAfterThinking(session);
}

void Workload::Explain(Session& session, std::size_t key) {
  Op op;
  const RequestOptions options = DrawOptions(session, key, op);
  op.kind = OpKind::kExplain;
  const auto next = [this, &session](const Op&, const ClientResult*) {
    NextAfterThinking(session);
  };
  if (!world_.Submit(op, ExplainRequest{world_.judge().keys()[key], options}, next)) {
    NextAfterThinking(session);
  }
}

void Workload::WriteAt(int node, Write& write, std::function<void(bool)> done) {
  world_.judge().OnNewWrite(write);
  Op op;
  RequestOptions options = DrawOptions(*own_, write.key, op);
  if (own_->prng.Chance(500'000)) {
    options.write_quorum = QuorumSpec::One();
    op.write_needed = 1;
  }
  op.node = node;
  NoteRegions(options, op);
  op.kind = write.kind;
  op.write = write.id;
  op.reads = write.read_first;
  const auto told = [done](const Op& ended, const ClientResult*) {
    done(ended.outcome == OpOutcome::kOk);
  };
  const PutRequest put = RequestOf(write, world_.judge().keys()[write.key], options);
  if (world_.Submit(op, put, told)) return;
  world_.events().After(1, [done = std::move(done)] { done(false); });
}

void Workload::Burst(Session& session) {
  const std::size_t key = DrawKey(session.prng);
  const int count = static_cast<int>(session.prng.Between(10, 60));
  const bool blind = session.prng.Chance(500'000);
  for (int i = 0; i < count; ++i) {
    Write& write = world_.judge().NewWrite(key, OpKind::kPut);
    if (blind) write.context = VersionVector();
    write.value = NewValue(session);
    world_.judge().OnNewWrite(write);
    Op op;
    const RequestOptions options = DrawOptions(session, key, op);
    op.kind = OpKind::kPut;
    op.write = write.id;
    world_.Submit(op, RequestOf(write, world_.judge().keys()[key], options),
                  [](const Op&, const ClientResult*) {});
  }
  NextAfterThinking(session);
}

}  // namespace gyre::sim
