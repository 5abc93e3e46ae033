// AsyncCaller's connections: when they are made, written to and given up.
#include <sys/epoll.h>

#include <algorithm>
#include <utility>

#include "client/async_parts.h"

namespace gyre {

AsyncLane& AsyncCaller::LaneTo(const std::shared_ptr<Endpoint>& endpoint) {
  std::unique_ptr<AsyncLane>& lane = lanes_[endpoint.get()];
  if (lane == nullptr) {
    lane = std::make_unique<AsyncLane>();
    lane->endpoint = endpoint;
  }
  return *lane;
}

void AsyncCaller::OpenOneMore(AsyncLane& lane) {
  if (lane.opening || lane.in_use() >= lines_per_node_max_) return;
  lane.opening = true;
  {
    const std::lock_guard lock(mutex_);
    to_open_.push_back(lane.endpoint);
  }
  to_open_ready_.notify_one();
}

void AsyncCaller::OnOpened(Opened opened) {
  AsyncLane& lane = *lanes_.at(opened.endpoint.get());
  lane.opening = false;
  Result<int> fd = opened.connection ? std::move(*opened.connection).Release()
                                     : Result<int>(Fail(opened.connection.error()));
  AsyncLine* line = nullptr;
  if (fd) {
    auto made = std::make_unique<AsyncLine>(*fd, lane);
    if (Watch(*made, EPOLL_CTL_ADD)) {
      line = lane.lines.emplace_back(std::move(made)).get();
    } else {
      fd = Fail(ErrorCode::kOverloaded, "the system watches no more connections");
    }
  }
  if (line == nullptr) {
    untidy_ = true;
    router_.Wake();
  }
  for (AsyncFlight* flight : std::exchange(lane.parked, {})) {
    if (line != nullptr && SendOn(*line, *flight)) continue;
    if (line == nullptr) flight->tries.OnNoConnection(fd.error());
    Advance(*flight);
  }
}

bool AsyncCaller::Watch(AsyncLine& line, int operation) const {
  epoll_event event{};
  event.events = line.wants_to_write ? EPOLLIN | EPOLLOUT : EPOLLIN;
  event.data.ptr = &line;
  return epoll_ctl(poller_, operation, line.fd(), &event) == 0;
}

void AsyncCaller::OnLineLost(AsyncLine& line, const Error& why) {
  line.lost = true;
  DrainLane(line.lane);
  for (AsyncFlight* flight : line.Flights()) {
    const bool sent = line.HasSent(flight->ticket);
    line.Abandon(flight->ticket);
    Lose(*flight, sent ? why : Error{ErrorCode::kUnavailable, why.message});
  }
}

// What is under way on its connections may still be answered.
void AsyncCaller::DrainLane(AsyncLane& lane) {
  for (const auto& line : lane.lines) line->draining = true;
  untidy_ = true;
}

void AsyncCaller::FlushLines() {
  for (std::size_t i = 0; i < to_flush_.size(); ++i) {  // a loss sends elsewhere what it can
    AsyncLine& line = *to_flush_[i];
    if (line.lost) continue;
    if (Status sent = line.Flush(); !sent) OnLineLost(line, sent.error());
    if (line.has_unsent() == line.wants_to_write) continue;
    line.wants_to_write = line.has_unsent();
    Watch(line, EPOLL_CTL_MOD);
  }
  to_flush_.clear();
}

// Last in a turn: nothing points to them any more.
void AsyncCaller::DropLines() {
  if (!untidy_) return;
  untidy_ = false;
  for (auto it = lanes_.begin(); it != lanes_.end();) {
    AsyncLane& lane = *it->second;
    std::erase_if(lane.lines, [](const std::unique_ptr<AsyncLine>& line) {
      return line->lost || (line->draining && line->Flights().empty());
    });
    untidy_ = untidy_ || lane.in_use() < lane.lines.size();
    const bool idle = lane.lines.empty() && lane.parked.empty() && !lane.opening;
    it = idle ? lanes_.erase(it) : std::next(it);
  }
}

// Connections to nodes that are members no more take nothing new.
void AsyncCaller::DropForgotten() {
  const std::uint64_t routes = router_.version();
  if (routes == routes_seen_) return;
  routes_seen_ = routes;
  const Tries::Candidates known = router_.Endpoints();
  for (const auto& [endpoint, lane] : lanes_) {
    if (std::find(known.begin(), known.end(), lane->endpoint) == known.end()) DrainLane(*lane);
  }
}

}  // namespace gyre
