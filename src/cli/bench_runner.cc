#include "cli/bench_runner.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "base/check.h"
#include "base/prng.h"
#include "cli/bench_codec.h"

namespace gyre {
namespace {

constexpr std::size_t kReceiveBytes = 256 * 1024;
// In flight on a connection while keys are loaded: as fast as can be, but no more than a server
// can take in a second.
constexpr std::size_t kLoadPipelineMax = 32;
constexpr std::size_t kLoadBytesMax = 256 * 1024;
constexpr std::int64_t kReconnectDelayNs = 50'000'000;
constexpr std::size_t kErrorWordMax = 30;
constexpr std::int64_t kSecondNs = 1'000'000'000;

std::size_t LoadPipeline(const BenchOptions& options) {
  if (options.protocol == BenchProtocol::kEtcd) return 1;
  return std::clamp<std::size_t>(kLoadBytesMax / std::max<std::size_t>(options.value_bytes, 1), 1,
                                 kLoadPipelineMax);
}

std::int64_t NowNs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kSecondNs + now.tv_nsec;
}
double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

struct Address {
  sockaddr_storage bytes{};
  socklen_t size = 0;
};
Result<Address> Resolve(const std::string& server) {
  const std::size_t colon = server.rfind(':');
  if (colon == std::string::npos) {
    return Fail(ErrorCode::kInvalidArgument, "server '" + server + "' is not host:port");
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(server.substr(0, colon).c_str(), server.substr(colon + 1).c_str(),
                                &hints, &found);
  if (error != 0) {
    return Fail(ErrorCode::kInvalidArgument, "server '" + server + "': " + gai_strerror(error));
  }
  Address address;
  address.size = found->ai_addrlen;
  std::memcpy(&address.bytes, found->ai_addr, found->ai_addrlen);
  freeaddrinfo(found);
  return address;
}

// One request on its way. A WAIT is one too; the SETs before it are done when it is answered.
struct Pending {
  enum class Kind : std::uint8_t { kGet, kSet, kWait };
  Kind kind;
  std::uint64_t key;
  std::int64_t since_ns;  // closed loop: sent; open loop: due
};

struct Connection {
  std::size_t server = 0;
  int fd = -1;
  bool connecting = false;
  bool wants_write = false;
  std::int64_t retry_at_ns = 0;
  std::unique_ptr<BenchCodec> codec;
  std::string out;
  std::size_t out_offset = 0;
  std::string in;  // an answer that is not whole yet
  std::deque<Pending> pending;
  std::size_t waits = 0;             // of pending: no operations of their own
  std::vector<Pending> unconfirmed;  // SETs answered, whose WAIT is not
  std::int64_t last_progress_ns = 0;

  std::size_t in_flight() const { return pending.size() + unconfirmed.size(); }
  std::size_t operations() const { return in_flight() - waits; }
};

// How one phase chooses its requests.
struct Phase {
  bool sequential = false;  // SET of key 0, 1, 2, ... once each, then over
  std::size_t pipeline = 1;
  double rate = 0;
  double seconds = 0;
  bool recorded = false;
};

class Runner {
 public:
  Runner(const BenchOptions& options, std::vector<Address> addresses)
      : options_(options),
        workload_(options),
        addresses_(std::move(addresses)),
        prng_(options.seed ^ 0x62656e6368),
        get_per_million_(static_cast<std::uint64_t>(options.get_ratio * 1e6)),
        timeout_ns_(static_cast<std::int64_t>(options.timeout_seconds * 1e9)),
        receive_(kReceiveBytes, '\0') {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    GYRE_CHECK(epoll_ >= 0);
    prctl(PR_SET_TIMERSLACK, 1);  // the open loop sleeps for microseconds
  }
  ~Runner() {
    for (Connection& connection : connections_) {
      if (connection.fd >= 0) close(connection.fd);
    }
    close(epoll_);
  }

  Result<BenchReport> Run() {
    connections_.resize(options_.connections);
    for (std::size_t i = 0; i < connections_.size(); ++i) {
      connections_[i].server = i % addresses_.size();
      Open(connections_[i]);
    }
    WaitUntilConnected();
    if (std::all_of(connections_.begin(), connections_.end(),
                    [](const Connection& c) { return c.fd < 0; })) {
      return Fail(ErrorCode::kUnavailable, "no connection to any server could be opened");
    }
    if (options_.load) {
      last_reply_ns_ = NowNs();
      RunPhase({.sequential = true, .pipeline = LoadPipeline(options_)});
    }
    if (options_.warmup_seconds > 0) {
      RunPhase({.pipeline = options_.pipeline,
                .rate = options_.rate,
                .seconds = options_.warmup_seconds});
    }
    RunPhase({.pipeline = options_.pipeline,
              .rate = options_.rate,
              .seconds = options_.duration_seconds,
              .recorded = true});
    return std::move(report_);
  }

 private:
  // --- connections ---

  void Open(Connection& c) {
    const Address& address = addresses_[c.server];
    c.fd = socket(address.bytes.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    GYRE_CHECK(c.fd >= 0);
    const int on = 1;
    setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const int result =
        connect(c.fd, reinterpret_cast<const sockaddr*>(&address.bytes), address.size);
    if (result != 0 && errno != EINPROGRESS) return Lose(c, "connect_failed");
    c.connecting = true;
    c.codec = MakeBenchCodec(workload_);
    c.last_progress_ns = NowNs();
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT;
    event.data.ptr = &c;
    GYRE_CHECK(epoll_ctl(epoll_, EPOLL_CTL_ADD, c.fd, &event) == 0);
    c.wants_write = true;
  }
  void WaitUntilConnected() {
    const std::int64_t deadline = NowNs() + timeout_ns_;
    while (NowNs() < deadline &&
           std::any_of(connections_.begin(), connections_.end(),
                       [](const Connection& c) { return c.fd >= 0 && c.connecting; })) {
      Poll(/*timeout_ns=*/100'000'000);
    }
  }
  // Closes it; what was in flight is counted under `kind`.
  void Lose(Connection& c, const char* kind) {
    if (c.fd >= 0) close(c.fd);
    CountError(kind, std::max<std::uint64_t>(1, c.operations()));
    c.fd = -1;
    c.connecting = c.wants_write = false;
    c.out.clear();
    c.out_offset = 0;
    c.in.clear();
    c.pending.clear();
    c.waits = 0;
    c.unconfirmed.clear();
    c.retry_at_ns = NowNs() + kReconnectDelayNs;
  }
  void CountError(const std::string& kind, std::uint64_t count = 1) {
    if (phase_.recorded || kind == "connect_failed") {
      report_.errors[kind] += count;
    } else if (phase_.sequential) {
      report_.errors["load_" + kind] += count;
    }
  }

  // --- requests ---

  void Queue(Connection& c, Pending::Kind kind, std::uint64_t key, std::int64_t since_ns) {
    if (kind == Pending::Kind::kGet) {
      c.codec->Get(key, c.out);
    } else {
      c.codec->Set(key, c.out);
    }
    c.pending.push_back({kind, key, since_ns});
    const bool waits = kind == Pending::Kind::kSet && options_.wait_replicas > 0;
    if (waits && !options_.wait_per_batch) QueueWait(c, since_ns);
  }
  void QueueWait(Connection& c, std::int64_t since_ns) {
    c.codec->Wait(options_.wait_replicas, c.out);
    c.pending.push_back({Pending::Kind::kWait, 0, since_ns});
    ++c.waits;
  }
  void QueueNext(Connection& c, std::int64_t since_ns) {
    if (phase_.sequential) return Queue(c, Pending::Kind::kSet, TakeKeyToLoad(), since_ns);
    const bool is_get = prng_.Below(1'000'000) < get_per_million_;
    Queue(c, is_get ? Pending::Kind::kGet : Pending::Kind::kSet, prng_.Below(options_.keys),
          since_ns);
  }
  bool HasMore(std::int64_t now) const {
    return phase_.sequential ? next_key_ < options_.keys || !refused_keys_.empty() : now < end_ns_;
  }
  std::uint64_t TakeKeyToLoad() {
    if (refused_keys_.empty()) return next_key_++;
    const std::uint64_t key = refused_keys_.back();
    refused_keys_.pop_back();
    return key;
  }
  // A node that is behind asks to be asked again. No end of it if it always is.
  bool LoadAgain(const Pending& request, const BenchReply& reply) {
    const bool again =
        phase_.sequential && reply.text.starts_with("BUSY") && keys_refused_ < options_.keys;
    if (!again) return false;
    ++keys_refused_;
    refused_keys_.push_back(request.key);
    return true;
  }
  // Closed loop: a full batch once everything before is answered.
  void SendBatch(Connection& c, std::int64_t now) {
    if (c.fd < 0 || c.connecting || c.in_flight() > 0 || !HasMore(now)) return;
    bool any_set = false;
    for (std::size_t i = 0; i < phase_.pipeline && HasMore(now); ++i) {
      QueueNext(c, now);
      any_set |= c.pending.back().kind != Pending::Kind::kGet;
    }
    if (any_set && options_.wait_replicas > 0 && options_.wait_per_batch) QueueWait(c, now);
    c.last_progress_ns = now;
    Flush(c);
  }
  std::int64_t DueAt(std::uint64_t request) const {
    return start_ns_ + static_cast<std::int64_t>(static_cast<double>(request) * interval_ns_);
  }
  // Open loop: everything that is due, as far as connections have room. What is due at once, as
  // this or the servers fell behind, leaves in one write a connection.
  void SendDue(std::int64_t now) {
    unsent_.clear();
    std::size_t full = 0;
    while (full < connections_.size() && DueAt(next_due_) <= now && DueAt(next_due_) < end_ns_) {
      Connection& c = connections_[turn_];
      turn_ = (turn_ + 1) % connections_.size();
      if (c.fd < 0 || c.connecting || c.operations() >= phase_.pipeline) {
        ++full;
        continue;
      }
      full = 0;
      if (c.in_flight() == 0) c.last_progress_ns = now;
      if (c.out.empty()) unsent_.push_back(&c);
      QueueNext(c, DueAt(next_due_++));
    }
    for (Connection* c : unsent_) Flush(*c);
  }

  // --- input and output ---

  void Flush(Connection& c) {
    while (c.out_offset < c.out.size()) {
      const ssize_t sent =
          send(c.fd, c.out.data() + c.out_offset, c.out.size() - c.out_offset, MSG_NOSIGNAL);
      if (sent < 0) {
        if (errno == EINTR) continue;
        if (errno != EAGAIN) return Lose(c, "connection_lost");
        return WantWrite(c, true);
      }
      c.out_offset += static_cast<std::size_t>(sent);
    }
    c.out.clear();
    c.out_offset = 0;
    WantWrite(c, false);
  }
  void WantWrite(Connection& c, bool wanted) {
    if (c.wants_write == wanted) return;
    c.wants_write = wanted;
    epoll_event event{};
    event.events = wanted ? (EPOLLIN | EPOLLOUT) : EPOLLIN;
    event.data.ptr = &c;
    GYRE_CHECK(epoll_ctl(epoll_, EPOLL_CTL_MOD, c.fd, &event) == 0);
  }
  void OnWritable(Connection& c) {
    if (c.connecting) {
      int error = 0;
      socklen_t size = sizeof error;
      getsockopt(c.fd, SOL_SOCKET, SO_ERROR, &error, &size);
      if (error != 0) return Lose(c, "connect_failed");
      c.connecting = false;
      c.codec->Hello(c.out);
    }
    Flush(c);
    if (c.fd >= 0 && is_running_ && phase_.rate == 0) SendBatch(c, NowNs());
  }
  void OnReadable(Connection& c) {
    const ssize_t got = recv(c.fd, receive_.data(), receive_.size(), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) return Lose(c, "connection_lost");
    const std::int64_t now = NowNs();
    c.last_progress_ns = last_reply_ns_ = now;
    std::string_view bytes(receive_.data(), static_cast<std::size_t>(got));
    if (!c.in.empty()) {
      c.in.append(bytes);
      bytes = c.in;
    }
    std::size_t consumed = 0;
    while (true) {
      BenchReply reply;
      const auto outcome = c.codec->Parse(bytes.substr(consumed), consumed, reply, c.out);
      if (outcome == BenchCodec::Outcome::kNeedMore) break;
      if (outcome == BenchCodec::Outcome::kBroken || c.pending.empty()) {
        return Lose(c, "protocol_error");
      }
      OnReply(c, reply, now);
    }
    if (c.in.empty()) {
      c.in.assign(bytes.substr(consumed));
    } else {
      c.in.erase(0, consumed);
    }
    if (is_running_ && phase_.rate == 0) SendBatch(c, now);
    if (c.fd >= 0 && !c.out.empty()) Flush(c);
  }
  void OnReply(Connection& c, const BenchReply& reply, std::int64_t now) {
    const Pending request = c.pending.front();
    c.pending.pop_front();
    switch (request.kind) {
      case Pending::Kind::kWait: {
        --c.waits;
        const bool enough =
            reply.kind == BenchReply::Kind::kCount && reply.count >= options_.wait_replicas;
        for (const Pending& set : c.unconfirmed) {
          if (enough)
            Complete(set, now);
          else
            CountError("too_few_replicas");
        }
        c.unconfirmed.clear();
        return;
      }
      case Pending::Kind::kSet:
        if (reply.kind == BenchReply::Kind::kError) {
          if (!LoadAgain(request, reply)) CountServerError(reply.text);
          return;
        }
        if (reply.kind != BenchReply::Kind::kStored) return CountError("unexpected_answer");
        if (options_.wait_replicas > 0) return c.unconfirmed.push_back(request);
        return Complete(request, now);
      case Pending::Kind::kGet:
        if (reply.kind == BenchReply::Kind::kError) return CountServerError(reply.text);
        if (reply.kind == BenchReply::Kind::kMissing) {
          if (IsMeasured(now)) ++report_.misses;
          return Complete(request, now);
        }
        if (reply.kind != BenchReply::Kind::kValue) return CountError("unexpected_answer");
        if (options_.check_values && !workload_.IsValueOf(request.key, reply.text)) {
          return CountError("wrong_value");
        }
        return Complete(request, now);
    }
  }
  // The first word of a server's sentence names its kind (ERR, UNAVAILABLE, ...), if it looks like
  // one: what a server that speaks something else says must not become a thousand kinds.
  void CountServerError(std::string_view sentence) {
    const std::string_view word = sentence.substr(0, sentence.find(' '));
    const bool is_word = !word.empty() && word.size() <= kErrorWordMax &&
                         std::all_of(word.begin(), word.end(),
                                     [](char c) { return c == '_' || (c >= 'A' && c <= 'Z'); });
    CountError(is_word ? std::string(word) : "server_error");
  }
  // Open loop: everything that was due counts, however late. Closed loop: what ends in time.
  bool IsMeasured(std::int64_t now) const {
    return phase_.recorded && (phase_.rate > 0 || now <= end_ns_);
  }
  void Complete(const Pending& request, std::int64_t now) {
    if (!IsMeasured(now)) return;
    // Whoever waits no longer than that has gone.
    if (phase_.rate > 0 && now - request.since_ns > timeout_ns_) return CountError("late");
    if (request.kind == Pending::Kind::kGet) {
      ++report_.gets;
      report_.get_latency.Record(now - request.since_ns);
    } else {
      ++report_.sets;
      report_.set_latency.Record(now - request.since_ns);
    }
  }

  // --- the loop ---

  void Poll(std::int64_t timeout_ns) {
    epoll_event events[256];
    timespec timeout{};
    timeout.tv_sec = timeout_ns / kSecondNs;
    timeout.tv_nsec = timeout_ns % kSecondNs;
    const int count = epoll_pwait2(epoll_, events, 256, &timeout, nullptr);
    for (int i = 0; i < count; ++i) {
      Connection& c = *static_cast<Connection*>(events[i].data.ptr);
      const int fd = c.fd;
      if ((events[i].events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) OnWritable(c);
      // Not if that closed it: a lost connection is opened again between polls only.
      if (c.fd == fd && (events[i].events & (EPOLLIN | EPOLLHUP)) != 0) OnReadable(c);
    }
  }
  // Now and then: reopens what was lost, gives up on what is stuck.
  void Tend(std::int64_t now) {
    for (Connection& c : connections_) {
      if (c.fd < 0 && now >= c.retry_at_ns) Open(c);
      const bool waits = c.connecting || c.in_flight() > 0;
      if (c.fd >= 0 && waits && now - c.last_progress_ns > timeout_ns_) Lose(c, "timeout");
    }
  }
  bool IsDrained() const {
    return std::all_of(connections_.begin(), connections_.end(),
                       [](const Connection& c) { return c.in_flight() == 0; });
  }

  void RunPhase(const Phase& phase) {
    phase_ = phase;
    is_running_ = true;
    next_key_ = 0;
    next_due_ = 0;
    interval_ns_ = phase.rate > 0 ? 1e9 / phase.rate : 0;
    start_ns_ = NowNs();
    end_ns_ = start_ns_ + static_cast<std::int64_t>(phase.seconds * 1e9);
    const double cpu_before = CpuSeconds();
    std::int64_t tend_at = start_ns_ + kSecondNs / 20;
    if (phase.rate == 0) {
      for (Connection& c : connections_) SendBatch(c, NowNs());
    }
    std::optional<double> cpu_after;
    while (true) {
      const std::int64_t now = NowNs();
      const bool due_left = phase.rate > 0 && DueAt(next_due_) < end_ns_;
      const bool over = !HasMore(now) && !due_left;
      if (!phase.sequential && now >= end_ns_ && !cpu_after) cpu_after = CpuSeconds();
      if (over && IsDrained()) break;
      // The rest never got its turn, or nobody answers the load.
      if (now > (phase.sequential ? last_reply_ns_ + 2 * timeout_ns_ : end_ns_ + timeout_ns_))
        break;
      if (now >= tend_at) {
        Tend(now);
        tend_at = now + kSecondNs / 20;
      }
      if (phase.rate > 0) SendDue(now);
      Poll(std::max<std::int64_t>(0, NextWake(tend_at, due_left) - NowNs()));
    }
    is_running_ = false;
    if (!phase.recorded) return;
    report_.seconds = phase.seconds;
    report_.cpu_share = (cpu_after.value_or(CpuSeconds()) - cpu_before) / phase.seconds;
    if (phase.rate > 0) {
      // In flight or never sent by now: each is an operation that a user did not get.
      std::uint64_t left = 0;
      while (DueAt(next_due_ + left) < end_ns_) ++left;
      for (const Connection& c : connections_) left += c.operations();
      if (left > 0) CountError("no_answer_in_time", left);
    }
  }
  std::int64_t NextWake(std::int64_t tend_at, bool due_left) const {
    if (!due_left)
      return phase_.seconds > 0 ? std::min(tend_at, std::max(end_ns_, NowNs() + 1'000'000))
                                : tend_at;
    const std::int64_t due = DueAt(next_due_);
    // What is due already waits for room, that is for an answer, not for the clock.
    return due > NowNs() ? std::min(tend_at, due) : tend_at;
  }

  const BenchOptions& options_;
  const BenchWorkload workload_;
  const std::vector<Address> addresses_;
  Prng prng_;
  const std::uint64_t get_per_million_;
  const std::int64_t timeout_ns_;
  std::string receive_;
  int epoll_ = -1;
  std::vector<Connection> connections_;
  std::vector<Connection*> unsent_;  // kept for its memory
  BenchReport report_;

  Phase phase_;
  bool is_running_ = false;
  std::int64_t start_ns_ = 0, end_ns_ = 0;
  std::int64_t last_reply_ns_ = 0;
  double interval_ns_ = 0;
  std::uint64_t next_key_ = 0;               // sequential
  std::vector<std::uint64_t> refused_keys_;  // to be written yet
  std::uint64_t keys_refused_ = 0;
  std::uint64_t next_due_ = 0;  // open loop: the next request's number
  std::size_t turn_ = 0;        // open loop: the connection to try next
};

Status CheckOptions(const BenchOptions& o) {
  const auto bad = [](const char* sentence) { return Fail(ErrorCode::kInvalidArgument, sentence); };
  if (o.servers.empty()) return bad("at least one --server is needed");
  if (o.connections < 1 || o.connections > 10'000) return bad("--connections: 1 to 10000");
  if (o.pipeline < 1 || o.pipeline > 10'000) return bad("--pipeline: 1 to 10000");
  if (o.keys < 1 || o.keys > 1'000'000'000) return bad("--keys: 1 to 1000000000");
  if (o.value_bytes > 64u << 20) return bad("--value-bytes: at most 64 MiB");
  if (!(o.get_ratio >= 0 && o.get_ratio <= 1)) return bad("--gets: 0 to 1");
  if (!(o.duration_seconds > 0) || !(o.warmup_seconds >= 0)) return bad("--duration: above 0");
  if (!(o.rate >= 0) || !(o.timeout_seconds > 0)) return bad("--rate and --timeout: not negative");
  if (o.wait_replicas < 0) return bad("--wait: not negative");
  if (o.wait_replicas > 0 && o.protocol != BenchProtocol::kResp) {
    return bad("--wait: only the RESP protocol has WAIT");
  }
  if (o.wait_per_batch && o.rate > 0) return bad("--wait-per-batch: not with --rate");
  if (o.protocol == BenchProtocol::kEtcd && o.pipeline > 1) {
    return bad("--pipeline: etcd is driven with one request at a time on a connection");
  }
  return {};
}

}  // namespace

Result<BenchReport> RunBench(const BenchOptions& options) {
  if (const Status checked = CheckOptions(options); !checked) return Fail(checked.error());
  std::vector<Address> addresses;
  for (const std::string& server : options.servers) {
    Result<Address> address = Resolve(server);
    if (!address) return Fail(address.error());
    addresses.push_back(*address);
  }
  return Runner(options, std::move(addresses)).Run();
}

}  // namespace gyre
