// Gyre's client for C++20, blocking and asynchronous. It is aware of the ring, so that a request
// goes to a node that holds its key. docs/client.md says how to use it, what is retried and what
// the errors mean.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace gyre {

// A kind exists only where a caller acts differently on it.
enum class ErrorKind : std::uint8_t {
  kInvalid,       // the request or the options are wrong: not applied, the same again will not help
  kNotConnected,  // no node could be reached: not applied
  kUnavailable,   // too few owners answer: surely not applied (a read: no answer in time either)
  kBusy,          // a limit was reached: surely not applied, try later
  kUnknown,       // only of writes: the answer is missing; it may be applied, now or later
  kStorage,       // a node's storage failed, or what it keeps is damaged; a write may be applied
};
// Such as "unavailable".
std::string_view ErrorKindName(ErrorKind kind);

struct ClientError {
  ErrorKind kind = ErrorKind::kInvalid;
  std::string message;  // a sentence for a person; never parse it

  bool surely_not_applied() const {
    return kind != ErrorKind::kUnknown && kind != ErrorKind::kStorage;
  }
};

// What an operation came to: a T or an error. value() of an error and error() of a value throw
// std::bad_variant_access; nothing else here throws, but for std::bad_alloc.
template <typename T>
class Outcome {
 public:
  Outcome(T value) : held_(std::in_place_index<0>, std::move(value)) {}
  Outcome(ClientError error) : held_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return held_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() & { return std::get<0>(held_); }
  const T& value() const& { return std::get<0>(held_); }
  T&& value() && { return std::get<0>(std::move(held_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const ClientError& error() const { return std::get<1>(held_); }

 private:
  std::variant<T, ClientError> held_;
};
struct Done {};  // for Outcome<Done>: it worked, and there is nothing more to say

// What a reader has seen of a key: opaque text, which a write hands back. The empty one says "I
// have seen nothing": such a write leaves what is there as siblings.
class Context {
 public:
  Context() = default;
  explicit Context(std::string text) : text_(std::move(text)) {}
  const std::string& text() const { return text_; }
  bool operator==(const Context&) const = default;

 private:
  std::string text_;
};

// Values of one key that nobody has reconciled, newest first; none: there is no such key.
struct Found {
  std::vector<std::string> values;
  Context context;  // covers all of them
};

struct ClientOptions {
  // "host:port" of RESP ports, one or more: the other nodes are learned from those that answer. At
  // most kAddressesMax.
  std::vector<std::string> addresses;
  // False: `addresses` are all that is ever connected to, such as where the addresses that nodes
  // tell lead nowhere from here.
  bool learn_nodes = true;
  std::string password;  // empty: none
  std::string keyspace;  // empty: default
  // This program's region, as its nodes name theirs: they are asked first, and nodes elsewhere only
  // when none of them is up. `local_quorum` is that of the region of the node that is asked.
  // Empty: none.
  std::string region;
  // Of one operation in all, retries included. The name service may take longer.
  std::chrono::milliseconds timeout{2000};
  // To reach one node and to learn who it is. A node that takes longer is passed over.
  std::chrono::milliseconds connect_timeout{1000};
  int retries = 3;                            // more tries after the first; 0 or more
  std::size_t connections_per_node_max = 16;  // 1 or more; who finds none free waits for one

  // Of the asynchronous form: connections to one node, operations without an outcome, and bytes of
  // their commands, of which the last may go past it. 1 or more of each.
  std::size_t async_connections_per_node_max = 2;
  std::size_t async_in_flight_max = 4096;
  std::size_t async_bytes_max = 64 * 1024 * 1024;

  static constexpr std::size_t kAddressesMax = 256;
};

// R and W: "one", "quorum", "all", "local_quorum", "each_quorum" or a number; empty: as the
// keyspace says.
struct GetOptions {
  std::string r;
};
struct PutOptions {
  std::optional<std::chrono::milliseconds> ttl;  // above 0; without: as the keyspace says
  std::string w;
};
struct DeleteOptions {
  std::string w;
};
struct SetOptions {
  std::optional<std::chrono::milliseconds> ttl;
};

// An address as the client sees it.
struct NodeState {
  std::string address;
  std::string name;      // empty: not known yet
  bool up = false;       // the last try to talk with it worked
  std::string problem;   // if not: why
  bool learned = false;  // from the ring, not given in the options
};

// Any number of threads may use one Client at once; only moving and destroying it want it to
// oneself. It has two threads of its own, which ask addresses that are down again, and for changes
// of the ring, and two more from the first asynchronous operation on: so it must not be used in the
// child of a fork.
class Client {
 public:
  // Asks all addresses at once who they are. Those that do not answer are asked again later.
  // Errors: kInvalid (options, a password or keyspace refused, nodes of two clusters),
  // kNotConnected (none answers), kBusy (none takes another connection).
  static Outcome<Client> Connect(ClientOptions options);
  // Waits for its threads: connect_timeout at most, and the name service. Asynchronous operations
  // that are under way end, and their callbacks are called, before it returns.
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  Outcome<Found> Get(std::string_view key, const GetOptions& options = {});
  // Replaces what the context covers. Answers a context that covers that and the new value.
  Outcome<Context> Put(std::string_view key, std::string_view value, const Context& context,
                       const PutOptions& options = {});
  // Deletes what the context covers, which may be less than all there is.
  Outcome<Context> Delete(std::string_view key, const Context& context,
                          const DeleteOptions& options = {});

  // For values that the last writer may decide. Set replaces whatever its coordinator knows.
  Outcome<Done> Set(std::string_view key, std::string_view value, const SetOptions& options = {});
  // nullopt: there is no such key.
  Outcome<std::optional<std::string>> GetNewest(std::string_view key,
                                                const GetOptions& options = {});

  // The asynchronous form of the same: many operations under way at once, over a few connections.
  // It returns at once. False: as much is under way as the options allow; nothing is sent, and the
  // callback is not called. Else the callback is called once, whatever happens, on a thread of the
  // client, one at a time. It may start further operations, and finds room for one at least. It
  // must not block, as all others wait for it, nor throw, nor destroy the client.
  template <typename T>
  using Callback = std::function<void(Outcome<T>)>;
  [[nodiscard]] bool GetAsync(std::string_view key, const GetOptions& options,
                              Callback<Found> done);
  [[nodiscard]] bool PutAsync(std::string_view key, std::string_view value, const Context& context,
                              const PutOptions& options, Callback<Context> done);
  [[nodiscard]] bool DeleteAsync(std::string_view key, const Context& context,
                                 const DeleteOptions& options, Callback<Context> done);
  [[nodiscard]] bool SetAsync(std::string_view key, std::string_view value,
                              const SetOptions& options, Callback<Done> done);
  [[nodiscard]] bool GetNewestAsync(std::string_view key, const GetOptions& options,
                                    Callback<std::optional<std::string>> done);
  // Blocks until at most so many of them are under way, callbacks included: 0 waits for all. In a
  // callback it returns at once.
  void AwaitAsync(std::size_t under_way_max = 0);

  std::vector<NodeState> Nodes() const;  // those of the options, in their order; then the learned

 private:
  class Impl;
  explicit Client(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gyre
