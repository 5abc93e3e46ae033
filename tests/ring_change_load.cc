// A load on the public client alone, for ring_change_test.py: threads that wait for each answer,
// and chains of asynchronous operations, while nodes come and go. Each writer has keys of its own
// and remembers what was acknowledged; a read must show just that.
//   ring_change_load HOST:PORT       one seed; stdin: "nodes" prints which are up, anything else
//   ends
#include <gyre/client.h>

#include <atomic>
#include <cstdio>
#include <deque>
#include <functional>
#include <iostream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr int kThreads = 4;
constexpr int kChains = 32;
constexpr int kKeysOfOne = 40;

struct Counts {
  std::atomic<long> blocking = 0, async = 0, errors = 0, wrong = 0;
};

void Complain(const std::string& key, const char* what, const std::string& why) {
  std::fprintf(stderr, "%s %s: %s\n", what, key.c_str(), why.c_str());
}

// Keys of one writer, which does one thing at a time: a put, then a get of the same key.
class Writer {
 public:
  Writer(std::string name, Counts& counts)
      : name_(std::move(name)), counts_(counts), keys_(kKeysOfOne) {}

  std::string key() const { return name_ + ":" + std::to_string(at_); }
  std::string next_value() const { return std::to_string(keys_[at_].acknowledged + 1); }
  const gyre::Context& context() const { return keys_[at_].context; }
  bool wants_put() const { return put_due_; }

  void OnPut(const gyre::Outcome<gyre::Context>& put) {
    if (put) {
      ++keys_[at_].acknowledged;
      keys_[at_].context = *put;
    } else {
      ++counts_.errors;
      Complain(key(), "put", put.error().message);
    }
    put_due_ = false;
  }
  void OnGet(const gyre::Outcome<gyre::Found>& found) {
    if (!found) {
      ++counts_.errors;
      Complain(key(), "get", found.error().message);
    } else if (!IsRight(*found)) {
      ++counts_.wrong;
      Complain(key(), "get", "not what was acknowledged");
    }
    put_due_ = true;
    at_ = (at_ + 1) % keys_.size();
  }

  // At the end: how many keys do not hold what was acknowledged.
  int CountMissing(gyre::Client& client) {
    int missing = 0;
    for (at_ = 0; at_ < keys_.size(); ++at_) {
      const auto found = client.Get(key());
      if (!found || !IsRight(*found)) ++missing;
    }
    return missing;
  }

 private:
  struct Key {
    long acknowledged = 0;
    gyre::Context context;
  };
  bool IsRight(const gyre::Found& found) const {
    const long number = keys_[at_].acknowledged;
    if (number == 0) return found.values.empty();
    return found.values.size() == 1 && found.values[0] == std::to_string(number);
  }

  const std::string name_;
  Counts& counts_;
  std::vector<Key> keys_;
  std::size_t at_ = 0;
  bool put_due_ = true;
};

void Block(gyre::Client& client, Writer& writer, Counts& counts, const std::atomic<bool>& ending) {
  while (!ending) {
    if (writer.wants_put()) {
      writer.OnPut(client.Put(writer.key(), writer.next_value(), writer.context()));
    } else {
      writer.OnGet(client.Get(writer.key()));
    }
    ++counts.blocking;
  }
}

void Chain(gyre::Client& client, Writer& writer, Counts& counts, const std::atomic<bool>& ending) {
  if (ending) return;
  bool taken = false;
  if (writer.wants_put()) {
    taken = client.PutAsync(writer.key(), writer.next_value(), writer.context(), {},
                            [&](const gyre::Outcome<gyre::Context>& put) {
                              writer.OnPut(put);
                              ++counts.async;
                              Chain(client, writer, counts, ending);
                            });
  } else {
    taken = client.GetAsync(writer.key(), {}, [&](const gyre::Outcome<gyre::Found>& found) {
      writer.OnGet(found);
      ++counts.async;
      Chain(client, writer, counts, ending);
    });
  }
  if (!taken) ++counts.errors;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: ring_change_load HOST:PORT\n"), 2;
  gyre::ClientOptions options;
  options.addresses = {argv[1]};
  options.timeout = std::chrono::seconds(10);
  auto client = gyre::Client::Connect(options);
  if (!client) return std::fprintf(stderr, "connect: %s\n", client.error().message.c_str()), 1;

  Counts counts;
  std::atomic<bool> ending = false;
  std::deque<Writer> writers;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    Writer& writer = writers.emplace_back("thread" + std::to_string(i), counts);
    threads.emplace_back([&] { Block(*client, writer, counts, ending); });
  }
  for (int i = 0; i < kChains; ++i) {
    Chain(*client, writers.emplace_back("chain" + std::to_string(i), counts), counts, ending);
  }

  std::string line;
  while (std::getline(std::cin, line) && line == "nodes") {
    for (const gyre::NodeState& node : client->Nodes()) {
      if (node.up) std::printf("%s%s ", node.name.c_str(), node.learned ? "" : "*");
    }
    std::printf("\n");
    std::fflush(stdout);
  }
  ending = true;
  for (std::thread& thread : threads) thread.join();
  client->AwaitAsync();
  int missing = 0;
  for (Writer& writer : writers) missing += writer.CountMissing(*client);
  std::printf("blocking %ld async %ld errors %ld wrong %ld missing %d\n", counts.blocking.load(),
              counts.async.load(), counts.errors.load(), counts.wrong.load(), missing);
  return counts.errors == 0 && counts.wrong == 0 && missing == 0 ? 0 : 1;
}
