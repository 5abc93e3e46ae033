#include "server/node_server.h"

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>

#include "core/membership/member_book.h"
#include "server/admin_json.h"
#include "server/filling.h"
#include "server/http/http_session.h"
#include "server/join_cluster.h"
#include "server/node_identity.h"
#include "server/self_description.h"
#include "server/shard_leaves.h"
#include "server/version.h"
#include "storage/layout_file.h"

namespace gyre {
namespace {

// Where chance enters: seeds for actors, request ids and jitter.
std::uint64_t RandomSeed() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

Instant SteadyNow() {
  return {std::chrono::duration_cast<std::chrono::microseconds>(
              std::chrono::steady_clock::now().time_since_epoch())
              .count()};
}

class ServerDocuments final : public AdminDocuments {
 public:
  std::string Status(const Backend& backend) const override { return StatusJson(backend); }
  std::string Ring(const ClusterView& view) const override { return RingJson(view); }
  std::string Keyspaces(const ClusterView& view) const override { return KeyspacesJson(view); }
  std::string Explain(const ClusterView& view, std::string_view keyspace, const RowKey& key,
                      const ExplainOutcome& outcome, WallTime now) const override {
    return ExplainJson(view, keyspace, key, outcome, now);
  }
};
const ServerDocuments kDocuments;

// While the node waits to be let into a cluster it has no loop that a signal would end.
bool StopWanted() {
  sigset_t pending;
  sigemptyset(&pending);
  sigpending(&pending);
  return sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1;
}

// A client that sends faster than it is served is to feel that soon, and not after megabytes that
// have lain here for a second.
constexpr int kClientReceiveBytes = 256 * 1024;
constexpr std::size_t kClientReadBytes = 32 * 1024;

}  // namespace

NodeServer::NodeServer(const ServerConfig& config, Log& log)
    : config_(config),
      log_(log),
      self_(NodeIdOf(config.node_name)),
      started_(SteadyNow()),
      board_(config.shards) {}

NodeServer::~NodeServer() {
  for (auto& loop : loops_) loop->Stop();
  for (std::thread& thread : threads_) thread.join();
}

Result<std::unique_ptr<NodeServer>> NodeServer::Start(const ServerConfig& config, Log& log) {
  std::unique_ptr<NodeServer> node(new NodeServer(config, log));
  if (Status ok = node->TakeOpenFiles(); !ok) return Fail(ok.error());
  if (Status ok = node->LoadSecurity(); !ok) return Fail(ok.error());
  if (Status ok = node->OpenFolder(); !ok) return Fail(ok.error());
  const Result<Layout> layout = node->TakeLayout();
  if (!layout) return Fail(layout.error());
  if (Status ok = node->OpenStorage(*layout); !ok) return Fail(ok.error());
  const Result<std::vector<ShardActor>> actors = node->TakeActors();
  if (!actors) return Fail(actors.error());
  const ClusterViewPtr view = MakeClusterView(config, *layout);
  std::vector<MemberNews> book = node->TakeBook();
  if (Status ok = node->MakeLoops(view, book, *actors); !ok) return Fail(ok.error());
  Result<std::optional<AcceptorState>> vote = node->TakeVote();
  if (!vote) return Fail(vote.error());
  for (std::size_t shard = 0; shard < node->loops_.size(); ++shard) {
    if (Status ok = node->Listen(shard); !ok) return Fail(ok.error());
  }
  Result<DescriptionPtr> self = DescribeSelf(
      config, *layout,
      {node->peer_address_.port(), node->resp_address_.port(), node->http_address_.port()});
  if (!self) return Fail(self.error());
  ClusterKeeper::Options keeper{.config = &config,
                                .log = &log,
                                .loops = {},
                                .layout = *layout,
                                .vote = *std::move(vote),
                                .notices = node->notices_.get(),
                                .folder = {},
                                .self = *std::move(self),
                                .book = std::move(book),
                                .seed = RandomSeed(),
                                .fills = node->fills_};
  node->notices_->SetMembers(*view);
  for (const auto& loop : node->loops_) keeper.loops.push_back(loop.get());
  if (node->folder_ != nullptr) keeper.folder = node->folder_->path();
  node->keeper_ = std::make_unique<ClusterKeeper>(std::move(keeper));
  node->notices_->Start();
  node->keeper_->Start();
  for (auto& loop : node->loops_) {
    loop->links().Start();
    node->threads_.emplace_back([&loop = *loop] { loop.Run(); });
  }
  return node;
}

Status NodeServer::LoadSecurity() {
  Result<LinkSecurity> security = LoadLinkSecurity(config_, &log_);
  if (!security) return Fail(security.error());
  security_ = *std::move(security);
  return {};
}

Status NodeServer::TakeOpenFiles() {
  const std::uint64_t granted = RaiseOpenFilesLimit();
  const Result<OpenFiles> share = ShareOpenFiles(granted, config_.connections_max);
  if (!share) return Fail(share.error());
  open_files_ = *share;
  if (share->clients < config_.connections_max) {
    log_.Write(LogLevel::kWarning, "clients_limited",
               "the system lets this process open " + std::to_string(granted) +
                   " files and connections, so at most " + std::to_string(share->clients) +
                   " clients are taken, instead of " + std::to_string(config_.connections_max) +
                   ": raise that (`ulimit -n`; systemd: LimitNOFILE) or lower limits.connections",
               {});
  }
  return {};
}

Status NodeServer::OpenFolder() {
  if (config_.engine == EngineKind::kMemory) return {};
  Result<DataFolder> folder = DataFolder::Open(config_.data_folder);
  if (!folder) return Fail(folder.error());
  folder_ = std::make_unique<DataFolder>(std::move(*folder));
  return {};
}

Result<Layout> NodeServer::TakeLayout() {
  if (folder_ != nullptr) {
    const auto stored = LayoutFile(folder_->path()).Load();
    if (!stored) return Fail(stored.error());
    if (*stored) return Layout::Decode(**stored);
  }
  // Who founded a cluster is of that one for ever, also if it is told to join another later.
  const bool keeps = folder_ != nullptr && (config_.founds || !config_.join.empty());
  Result<Layout> layout = config_.join.empty() ? FoundLayout(config_) : Join();
  if (!layout || !keeps) return layout;
  if (Status kept = LayoutFile(folder_->path()).Store(layout->Encode()); !kept) {
    return Fail(kept.error());
  }
  return layout;
}

Result<Layout> NodeServer::Join() {
  return JoinCluster(config_, RingMembers(config_).front(), security_, log_, StopWanted);
}

Result<std::optional<AcceptorState>> NodeServer::TakeVote() const {
  if (folder_ == nullptr) return std::optional<AcceptorState>();
  const auto stored = LayoutFile(folder_->path(), "votes").Load();
  if (!stored) return Fail(stored.error());
  if (!*stored) return std::optional<AcceptorState>();
  Result<AcceptorState> vote = DecodeAcceptorState(**stored);
  if (!vote) return Fail(vote.error());
  return std::optional<AcceptorState>(*std::move(vote));
}

// Advice, all of it: the members tell it anew.
std::vector<MemberNews> NodeServer::TakeBook() const {
  if (folder_ == nullptr) return {};
  const auto stored = LayoutFile(folder_->path(), "members").Load();
  Result<std::vector<MemberNews>> book =
      stored ? DecodeMemberBook(stored->value_or("")) : Fail(stored.error());
  if (book) return *std::move(book);
  log_.Write(LogLevel::kWarning, "members_not_read",
             "what this node knew of where the members are cannot be read; it looks for them anew",
             {{"problem", book.error().message}});
  return {};
}

Status NodeServer::OpenStorage(const Layout& layout) {
  founding_ = layout.lineage().founding;
  needed_version_ = VersionNeededBy(layout);
  if (needed_version_ > config_.protocol_max) {
    return Fail(ErrorCode::kUnsupported,
                "the cluster needs protocol version " + std::to_string(needed_version_) +
                    ", as partitions have been split, and this node is to speak " +
                    std::to_string(config_.protocol_max) +
                    " at most: raise cluster.protocol_max (--protocol-max)");
  }
  EngineOptions options;
  options.session_count = config_.shards;
  options.leaf_bits = LeafBitsOf(layout.ring().section_bits());
  options.salvages = layout.MemberIds().size() > 1 || config_.founds;
  options.log = &log_;
  options.durability = config_.durability;
  options.sync_interval = config_.sync_interval;
  options.row_cache_bytes = config_.row_cache_bytes;
  options.block_cache_bytes = config_.block_cache_bytes;
  if (config_.engine == EngineKind::kMemory) {
    engine_ = OpenMemoryEngine(options);
  } else {
    options.path = folder_->path();
    options.open_files_max = open_files_.tables;
    Result<std::unique_ptr<Engine>> engine = OpenRocksEngine(options);
    if (!engine) return Fail(engine.error());
    engine_ = std::move(*engine);
  }
  board_.SetNodePart([this](NodeStats& stats) {
    stats.engine = engine_->Stats();
    stats.uptime = SteadyNow() - started_;
    if (security_.tls != nullptr) stats.tls_handshakes_failed = security_.tls->handshakes_failed();
  });
  // Noted before the database is claimed, after which it is not new any more.
  const Result<bool> claimed = HasIdentity(*engine_);
  if (!claimed) return Fail(claimed.error());
  const Result<bool> fills =
      TakeFilling(folder_ == nullptr ? std::string() : folder_->path(), /*is_new=*/!*claimed);
  if (!fills) return Fail(fills.error());
  fills_ = *fills;
  return ClaimIdentity(*engine_, config_);
}

// Who the shards write as: see core/causality/actor.h.
Result<std::vector<ShardActor>> NodeServer::TakeActors() {
  Prng prng(RandomSeed());
  std::optional<CleanStop> stop;
  std::string fingerprint;
  if (folder_ != nullptr) {
    fingerprint = folder_->fingerprint();
    const auto text = folder_->TakeCleanStop();
    if (!text) return Fail(text.error());
    if (*text && engine_->Stats().quarantines == 0) {
      Result<CleanStop> decoded = DecodeCleanStop(**text);
      if (decoded) {
        stop = std::move(*decoded);
      } else {
        log_.Write(LogLevel::kWarning, "clean_stop_damaged",
                   "the note of the last clean stop is damaged; writing as new actors",
                   {{"problem", decoded.error().message}});
      }
    }
  }
  return ChooseActors(self_, config_.shards, stop, fingerprint, prng);
}

PeerLinksOptions NodeServer::LinksOptions(const ClusterView& view,
                                          const std::vector<MemberNews>& book,
                                          ShardId shard) const {
  PeerLinksOptions options;
  options.cluster = config_.cluster_id;
  options.self = self_;
  options.self_name = config_.node_name;
  options.shard = shard;
  options.shard_count = config_.shards;
  options.ring_digest = founding_;
  options.versions = {needed_version_, config_.protocol_max};
  options.queue_bytes_max = config_.peer_queue_bytes_max;
  options.queue_bytes_resume = config_.peer_queue_bytes_max / 4;
  options.seed = RandomSeed();
  view.ForEachMember([&](const Member& member) {
    if (member.id == self_) {
      options.self_region = member.region;
      return;
    }
    PeerAddress peer{member.id, member.name, member.address, member.region};
    for (const MemberNews& record : book) {
      const std::string& address = record.description->fields().peer_address;
      if (record.id == member.id && !address.empty()) peer.address = address;
    }
    options.peers.push_back(std::move(peer));
  });
  options.security = security_;
  options.compress = config_.compress_links;
  options.accept_stranger = ClusterKeeper::AcceptStranger;
  options.guest_may_say = ClusterKeeper::GuestMaySay;
  return options;
}

// Without them a node serves as well: the sums are there to be compared, not to be read.
Result<std::vector<LeafSum>> NodeServer::LoadLeaves() {
  Result<std::vector<LeafSum>> leaves = engine_->LoadLeaves();
  if (leaves || leaves.error().code != ErrorCode::kCorruption) return leaves;
  log_.Write(LogLevel::kWarning, "leaf_sums_damaged",
             "the sums that rows are compared by are damaged; the scrubber fills them in again",
             {{"problem", leaves.error().message}});
  return std::vector<LeafSum>();
}

Status NodeServer::MakeLoops(const ClusterViewPtr& view, const std::vector<MemberNews>& book,
                             const std::vector<ShardActor>& actors) {
  const Result<std::vector<LeafSum>> leaves = LoadLeaves();
  if (!leaves) return Fail(leaves.error());
  std::vector<std::vector<LeafSum>> leaves_of = LeavesByShard(*leaves, config_.shards);
  const CoreConfig core = CoreConfigOf(config_);
  std::vector<ShardLoop*> siblings;
  for (std::uint16_t i = 0; i < config_.shards; ++i) {
    ShardLoop::Options options;
    options.config = &config_;
    options.view = view;
    options.shard = {
        self_,        ShardId(i), config_.shards,          actors[i].actor,  actors[i].next_epoch,
        RandomSeed(), core,       std::move(leaves_of[i]), actors[i].resumes};
    options.shard.keeps_tree = config_.founds;
    options.shard.fills = fills_;
    options.shard.founding_grace = config_.founding_grace;
    options.engine = engine_.get();
    options.board = &board_;
    options.log = &log_;
    auto loop = ShardLoop::Create(std::move(options), LinksOptions(*view, book, ShardId(i)));
    if (!loop) return Fail(loop.error());
    siblings.push_back(loop->get());
    loops_.push_back(std::move(*loop));

    RespOptions resp;
    resp.password = config_.password;
    resp.value_bytes_max = config_.core.value_bytes_max;
    resp.scan_rows_max = static_cast<std::uint32_t>(config_.core.scan_rows_max);
    resp.gyre_version = kGyreVersion;
    resp.node_name = config_.node_name;
    resp.port = config_.resp_listen.port;
    resp.unread_max = config_.unread_max;
    resp.appendfsync = config_.engine == EngineKind::kMemory         ? "no"
                       : config_.durability == Durability::kInterval ? "everysec"
                                                                     : "always";
    resp.client_id_first = i + 1u;
    resp.client_id_step = config_.shards;
    resp.seed = RandomSeed();
    resp_.push_back(std::make_unique<RespService>(*loops_.back(), kDocuments, std::move(resp)));
    loops_.back()->reactor().AddTurnEndHook(
        [service = resp_.back().get()](Now) { service->OnTurnEnd(); });
    loops_.back()->SetStatsHook(
        [this, first = i == 0, service = resp_.back().get()](NodeStats& stats) {
          if (first) {
            notices_->AddTo(stats);
            keeper_->AddTo(stats);
          }
          const RespCounters& counters = service->counters();
          stats.resp_connections = counters.connections;
          stats.clients_to_go = service->ClientsToGo();
          stats.connections_total += counters.connections_total;
          stats.protocol_errors += counters.protocol_errors;
          stats.refused_unread += counters.refused_unread;
          stats.commands_total += counters.commands;
        });
  }
  for (auto& loop : loops_) loop->SetSiblings(siblings);
  notices_ =
      std::make_unique<Notices>(config_, board_, loops_.front()->reactor(), log_, RandomSeed());
  return {};
}

// Every shard listens on the same ports; the system spreads the connections over them.
Status NodeServer::Listen(std::size_t shard) {
  ShardLoop& loop = *loops_[shard];
  const bool first = shard == 0;
  const auto bind = [&](const char* what, const HostPort& configured, SocketAddress& bound,
                        auto listen) -> Status {
    Result<SocketAddress> address =
        first ? SocketAddress::Resolve(configured.ToString()) : Result<SocketAddress>(bound);
    if (!address) return Fail(address.error());
    Result<SocketAddress> result = listen(*address);
    if (!result) {
      return Fail(result.error().code, std::string("cannot listen for ") + what + " on " +
                                           configured.ToString() + ": " + result.error().message);
    }
    bound = *result;
    return {};
  };

  ListenOptions options;
  options.reuse_port = loops_.size() > 1;
  options.connections_max = std::max<std::size_t>(open_files_.clients / loops_.size(), 1);
  options.open = std::make_shared<std::size_t>();  // RESP and HTTP together
  options.limits.output_bytes_max = config_.output_bytes_max;
  options.limits.idle_timeout = config_.client_idle_timeout;
  options.receive_bytes = kClientReceiveBytes;
  options.limits.read_bytes = kClientReadBytes;

  RespService* service = resp_[shard].get();
  options.refusal = "-ERR max number of clients reached\r\n";
  Status ok = bind("RESP", config_.resp_listen, resp_address_, [&](const SocketAddress& address) {
    options.address = address;
    return loop.reactor().Listen(
        options, [service](Connection& connection) { return service->NewSession(connection); });
  });
  if (!ok) return ok;

  options.refusal =
      "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
  if (options.limits.idle_timeout.us == 0) options.limits.idle_timeout = Duration::Seconds(60);
  ok = bind("HTTP", config_.http_listen, http_address_, [&](const SocketAddress& address) {
    options.address = address;
    return loop.reactor().Listen(options, [&loop](Connection& connection) {
      return std::make_unique<HttpSession>(connection, loop);
    });
  });
  if (!ok) return ok;

  return bind("peers", config_.peer_listen, peer_address_, [&](const SocketAddress& address) {
    return loop.links().Listen(address, options.reuse_port);
  });
}

Status NodeServer::Stop() {
  constexpr Duration kDrain = Duration::Seconds(2);
  for (auto& loop : loops_) {
    loop->reactor().Post([&loop = *loop] { loop.reactor().StopListening(); });
  }
  const Instant deadline = SteadyNow() + kDrain;
  while (board_.Total().requests_in_flight > 0 && SteadyNow() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  for (auto& loop : loops_) loop->Stop();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();

  CleanStop stop;
  bool filled = true;
  for (const auto& loop : loops_) {
    filled = filled && loop->shard().repair_state().unfilled == 0;
    stop.shards.push_back({loop->shard().dots().actor(), loop->shard().dots().next_epoch()});
  }
  // Sessions and services point into the loops.
  const EngineStats before = engine_->Stats();
  board_.SetNodePart({});
  resp_.clear();
  notices_.reset();
  keeper_.reset();
  for (auto& loop : loops_) loop->SetStatsHook({});
  loops_.clear();
  if (Status ok = engine_->Close(); !ok) return ok;
  if (folder_ == nullptr) return {};
  if (before.write_errors > 0) {
    // Some dot may be on a peer and not here: the next start writes as fresh actors.
    return Fail(ErrorCode::kIoError, "storage failed writes; the next start uses new actors");
  }
  if (filled) {
    if (Status noted = NoteFilled(folder_->path()); !noted) return noted;
  }
  stop.fingerprint = folder_->fingerprint();
  return folder_->WriteCleanStop(EncodeCleanStop(stop));
}

}  // namespace gyre
