// The public client: checks, and which part does what. Where requests go is router.h's matter.
#include "gyre/client.h"

#include "client/async_caller.h"
#include "client/blocking_call.h"
#include "client/call.h"
#include "client/ring_watch.h"
#include "client/router.h"
#include "client/verdict.h"

namespace gyre {
namespace {

using Millis = std::chrono::milliseconds;

ClientError Invalid(std::string message) { return {ErrorKind::kInvalid, std::move(message)}; }

constexpr Millis kLongest = std::chrono::hours(24);  // of a timeout
constexpr int kRetriesMax = 1000;

std::optional<ClientError> Check(const ClientOptions& options) {
  if (options.addresses.empty()) return Invalid("no address is given");
  if (options.addresses.size() > ClientOptions::kAddressesMax) {
    return Invalid("more than " + std::to_string(ClientOptions::kAddressesMax) + " addresses");
  }
  for (const Millis timeout : {options.timeout, options.connect_timeout}) {
    if (timeout <= Millis(0) || timeout > kLongest) {
      return Invalid("timeouts are above 0, and at most a day");
    }
  }
  if (options.retries < 0 || options.retries > kRetriesMax) {
    return Invalid("retries are from 0 to " + std::to_string(kRetriesMax));
  }
  if (options.connections_per_node_max == 0 || options.async_connections_per_node_max == 0) {
    return Invalid("a node needs a connection");
  }
  if (options.async_in_flight_max == 0 || options.async_bytes_max == 0) {
    return Invalid("one asynchronous operation must be possible");
  }
  return std::nullopt;
}

}  // namespace

std::string_view ErrorKindName(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalid:
      return "invalid";
    case ErrorKind::kNotConnected:
      return "not connected";
    case ErrorKind::kUnavailable:
      return "unavailable";
    case ErrorKind::kBusy:
      return "busy";
    case ErrorKind::kUnknown:
      return "unknown";
    case ErrorKind::kStorage:
      return "storage";
  }
  return "no such kind";
}

class Client::Impl {
 public:
  Impl(ClientOptions options, const std::vector<NodeAddress>& addresses)
      : router_(options, addresses), async_(router_, options) {}
  // Callbacks that are called meanwhile find all in place.
  ~Impl() { async_.Stop(); }

  Router& router() { return router_; }
  AsyncCaller& async() { return async_; }
  void WatchRing() { watch_.emplace(router_); }

 private:
  Router router_;
  AsyncCaller async_;
  std::optional<RingWatch> watch_;
};

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

Outcome<Client> Client::Connect(ClientOptions options) {
  if (std::optional<ClientError> wrong = Check(options)) return *std::move(wrong);
  std::vector<NodeAddress> addresses;
  for (const std::string& address : options.addresses) {
    Result<NodeAddress> parsed = ParseNodeAddress(address);
    if (!parsed) return Invalid(std::move(parsed.error().message));
    addresses.push_back(std::move(*parsed));
  }
  const std::size_t given = addresses.size();
  auto impl = std::make_unique<Impl>(std::move(options), addresses);
  if (!impl->async().usable()) {
    return ClientError{ErrorKind::kBusy, "the system gives no more file descriptors"};
  }
  impl->router().Start();

  // One that serves is enough, but what is wrong now and will stay so is said now: who mixes up two
  // clusters must not get the one that happened to answer first.
  bool any_up = false;
  std::optional<ClientError> problem;
  const Tries::Candidates endpoints = impl->router().Endpoints();
  for (std::size_t i = 0; i < given; ++i) {
    const Endpoint::State state = endpoints[i]->state();
    any_up = any_up || state.standing == Endpoint::Standing::kUp;
    if (!state.problem) continue;
    ClientError error = AfterNoConnection(*state.problem).error;
    error.message = endpoints[i]->address() + ": " + error.message;
    if (error.kind == ErrorKind::kInvalid) return error;
    if (!problem) problem = std::move(error);
  }
  if (!any_up) return problem.value_or(ClientError{ErrorKind::kNotConnected, "no node answers"});
  impl->WatchRing();
  return Client(std::move(impl));
}

Outcome<Found> Client::Get(std::string_view key, const GetOptions& options) {
  return AsFound(RunBlocking(impl_->router(), GetCall(key, options)));
}

Outcome<Context> Client::Put(std::string_view key, std::string_view value, const Context& context,
                             const PutOptions& options) {
  const Outcome<Call> call = PutCall(key, value, context, options);
  if (!call) return call.error();
  return AsContext(RunBlocking(impl_->router(), *call));
}

Outcome<Context> Client::Delete(std::string_view key, const Context& context,
                                const DeleteOptions& options) {
  return AsContext(RunBlocking(impl_->router(), DeleteCall(key, context, options)));
}

Outcome<Done> Client::Set(std::string_view key, std::string_view value, const SetOptions& options) {
  const Outcome<Call> call = SetCall(key, value, options);
  if (!call) return call.error();
  return AsDone(RunBlocking(impl_->router(), *call));
}

Outcome<std::optional<std::string>> Client::GetNewest(std::string_view key,
                                                      const GetOptions& options) {
  return AsNewest(Get(key, options));
}

bool Client::GetAsync(std::string_view key, const GetOptions& options, Callback<Found> done) {
  return impl_->async().Submit(
      GetCall(key, options),
      [done = std::move(done)](Outcome<RespValue> reply) { done(AsFound(std::move(reply))); });
}

bool Client::PutAsync(std::string_view key, std::string_view value, const Context& context,
                      const PutOptions& options, Callback<Context> done) {
  return impl_->async().Submit(
      PutCall(key, value, context, options),
      [done = std::move(done)](Outcome<RespValue> reply) { done(AsContext(std::move(reply))); });
}

bool Client::DeleteAsync(std::string_view key, const Context& context, const DeleteOptions& options,
                         Callback<Context> done) {
  return impl_->async().Submit(
      DeleteCall(key, context, options),
      [done = std::move(done)](Outcome<RespValue> reply) { done(AsContext(std::move(reply))); });
}

bool Client::SetAsync(std::string_view key, std::string_view value, const SetOptions& options,
                      Callback<Done> done) {
  return impl_->async().Submit(
      SetCall(key, value, options),
      [done = std::move(done)](const Outcome<RespValue>& reply) { done(AsDone(reply)); });
}

bool Client::GetNewestAsync(std::string_view key, const GetOptions& options,
                            Callback<std::optional<std::string>> done) {
  return GetAsync(key, options, [done = std::move(done)](Outcome<Found> found) {
    done(AsNewest(std::move(found)));
  });
}

void Client::AwaitAsync(std::size_t under_way_max) { impl_->async().Await(under_way_max); }

std::vector<NodeState> Client::Nodes() const {
  std::vector<NodeState> nodes;
  for (const auto& endpoint : impl_->router().Endpoints()) {
    const Endpoint::State state = endpoint->state();
    nodes.push_back({endpoint->address(), state.name, state.standing == Endpoint::Standing::kUp,
                     state.problem ? state.problem->message : std::string(), endpoint->learned()});
  }
  return nodes;
}

}  // namespace gyre
