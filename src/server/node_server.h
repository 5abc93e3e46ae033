// The parts of one node, put together: storage, a loop and its front ends for each shard, threads.
// Everything here happens at start and stop; requests pass through ShardLoop.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "core/causality/actor.h"
#include "core/ring/layout.h"
#include "server/cluster_keeper.h"
#include "server/config.h"
#include "server/link_security.h"
#include "server/notices.h"
#include "server/open_files.h"
#include "server/resp/resp_service.h"
#include "server/shard_loop.h"
#include "server/stats_board.h"
#include "storage/data_folder.h"
#include "storage/engine_options.h"

namespace gyre {

class NodeServer {
 public:
  // Opens storage, binds all ports and starts the threads: when it returns the node serves.
  // `config` and `log` must outlive it. Errors: any, with what to do about it.
  static Result<std::unique_ptr<NodeServer>> Start(const ServerConfig& config, Log& log);
  ~NodeServer();
  NodeServer(const NodeServer&) = delete;
  NodeServer& operator=(const NodeServer&) = delete;

  // Takes no more connections, waits a moment for what is in flight, makes everything durable and
  // leaves a clean stop behind. Errors: kIoError if not everything could be made durable.
  Status Stop();

  // As bound, for configs with port 0.
  const SocketAddress& resp_address() const { return resp_address_; }
  const SocketAddress& http_address() const { return http_address_; }
  const SocketAddress& peer_address() const { return peer_address_; }
  NodeStats Stats() const { return board_.Total(); }

 private:
  NodeServer(const ServerConfig& config, Log& log);
  Status TakeOpenFiles();
  Status OpenFolder();
  Status LoadSecurity();
  // What this folder's node knew last; at the first start, as founded by the config, or as the
  // cluster has it that lets this node in.
  Result<Layout> TakeLayout();
  Result<Layout> Join();
  Result<std::optional<AcceptorState>> TakeVote() const;
  // What this node knew of the members last (core/membership/member_book.h); empty if that is lost.
  std::vector<MemberNews> TakeBook() const;
  Status OpenStorage(const Layout& layout);
  Result<std::vector<ShardActor>> TakeActors();
  Result<std::vector<LeafSum>> LoadLeaves();
  Status MakeLoops(const ClusterViewPtr& view, const std::vector<MemberNews>& book,
                   const std::vector<ShardActor>& actors);
  PeerLinksOptions LinksOptions(const ClusterView& view, const std::vector<MemberNews>& book,
                                ShardId shard) const;
  Status Listen(std::size_t shard);

  const ServerConfig& config_;
  Log& log_;
  const NodeId self_;
  const Instant started_;
  LinkSecurity security_;
  std::uint64_t founding_ = 0;                          // of the layout's lineage
  std::uint16_t needed_version_ = kProtocolVersionMin;  // by the layout
  OpenFiles open_files_;
  std::unique_ptr<DataFolder> folder_;  // null with the memory engine
  std::unique_ptr<Engine> engine_;
  bool fills_ = false;  // ShardOptions::fills
  StatsBoard board_;
  std::vector<std::unique_ptr<ShardLoop>> loops_;
  std::vector<std::unique_ptr<RespService>> resp_;
  std::unique_ptr<Notices> notices_;       // on the first loop
  std::unique_ptr<ClusterKeeper> keeper_;  // on the first loop
  std::vector<std::thread> threads_;
  SocketAddress resp_address_, http_address_, peer_address_;
};

}  // namespace gyre
