// Answers "what count" lines from stdin with nanoseconds, one line each.
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <nanovdb/util/GridBuilder.h>
#include <nanovdb/util/IO.h>

#include "nanovdb_index.h"

struct Voxel {
  uint32_t at;
  float value;
};

// 512 elements that follow each other share a leaf.
static nanovdb::Coord coordinate(uint32_t at) {
  uint32_t leaf = at / 512, in = at % 512;
  return nanovdb::Coord((leaf % 128) * 8 + (in >> 6), (leaf / 128 % 128) * 8 + (in >> 3 & 7),
                        (leaf / 16384) * 8 + (in & 7));
}

static nanovdb::GridHandle<> build(const std::vector<Voxel>& voxels) {
  nanovdb::GridBuilder<float> builder(0.f);
  {
    auto accessor = builder.getAccessor();
    for (auto& voxel : voxels) accessor.setValue(coordinate(voxel.at), voxel.value);
  }
  return builder.getHandle(1.0, nanovdb::Vec3d(0), "weights");
}

static uint64_t state = 88172645463325252ull;
static uint64_t below(uint64_t n) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state % n;
}

template <typename Work>
static uint64_t nanoseconds(Work work) {
  auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start).count();
}

template <typename Accessor>
static uint64_t hits(Accessor accessor, const std::vector<nanovdb::Coord>& picks, uint64_t count) {
  volatile float kept = 0;
  return nanoseconds([&] {
    float sum = 0;
    for (uint64_t n = 0; n < count; ++n) sum += accessor.getValue(picks[n % picks.size()]);
    kept = sum;
  });
}

// Values of active leaves are written in place; a position whose leaf does not exist is passed over.
static uint64_t updates(nanovdb::FloatGrid& grid, size_t size, uint64_t count) {
  std::vector<nanovdb::Coord> coordinates;
  for (size_t n = 0; n < size; ++n) coordinates.push_back(coordinate(below(256ull * 2048 * 16)));
  auto accessor = grid.getAccessor();
  using Leaf = nanovdb::FloatGrid::TreeType::LeafNodeType;
  return nanoseconds([&] {
    for (uint64_t n = 0; n < count; ++n)
      for (auto& at : coordinates)
        if (auto* leaf = const_cast<Leaf*>(accessor.probeLeaf(at))) leaf->setValue(at, float(n + 1));
  });
}

// The same through the index: only an active element has a value to write.
static uint64_t indexed_updates(IndexedGrid& grid, size_t size, uint64_t count) {
  std::vector<nanovdb::Coord> coordinates;
  for (size_t n = 0; n < size; ++n) coordinates.push_back(coordinate(below(256ull * 2048 * 16)));
  auto accessor = grid.grid().getAccessor();
  auto* values = grid.values().data();
  return nanoseconds([&] {
    for (uint64_t n = 0; n < count; ++n)
      for (auto& at : coordinates)
        if (auto index = accessor.getValue(at)) values[index] = float(n + 1);
  });
}

static uint64_t indexed_scan(IndexedGrid& grid, uint64_t count) {
  size_t leaves = grid.grid().tree().nodeCount(0);
  auto* first = grid.grid().tree().getFirstNode<0>();
  std::vector<float> found(leaves * 512);
  const float* values = grid.values().data();
  return nanoseconds([&] {
    for (uint64_t n = 0; n < count; ++n) {
      for (size_t leaf = 0; leaf < leaves; ++leaf) {
        auto* data = first[leaf].data();
        const float* next = values + data->mValueOff;
        float* row = &found[leaf * 512];
        if (data->mValueMask.isOn()) {
          memcpy(row, next, 512 * sizeof(float));
        } else {
          memset(row, 0, 512 * sizeof(float));
          for (auto at = data->mValueMask.beginOn(); at; ++at) row[*at] = *next++;
        }
      }
      asm volatile("" : : "r"(found.data()) : "memory");
    }
  });
}

static uint64_t scan(nanovdb::FloatGrid& grid, uint64_t count) {
  size_t leaves = grid.tree().nodeCount(0);
  auto* first = grid.tree().getFirstNode<0>();
  std::vector<float> found(leaves * 512);
  return nanoseconds([&] {
    for (uint64_t n = 0; n < count; ++n) {
      for (size_t leaf = 0; leaf < leaves; ++leaf)
        memcpy(&found[leaf * 512], first[leaf].data()->mValues, 512 * sizeof(float));
      asm volatile("" : : "r"(found.data()) : "memory");
    }
  });
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  FILE* file = fopen(argv[1], "rb");
  if (!file) return 3;
  std::vector<Voxel> voxels;
  for (Voxel voxel; fread(&voxel, sizeof voxel, 1, file) == 1;) voxels.push_back(voxel);
  fclose(file);
  auto handle = build(voxels);
  auto* grid = handle.grid<float>();
  std::vector<nanovdb::Coord> picks;
  for (size_t n = 0; n < 1 << 16; ++n) picks.push_back(coordinate(voxels[below(voxels.size())].at));
  IndexedGrid indexed(*grid);
  auto channel = nanovdb::ChannelAccessor<float>(indexed.grid(), indexed.values().data());
  for (auto& voxel : voxels) {
    auto at = coordinate(voxel.at);
    if (channel(at) != voxel.value || grid->getAccessor().getValue(at) != voxel.value) return 4;
  }
  nanovdb::GridHandle<> dense;
  auto dense_grid = [&]() -> nanovdb::FloatGrid& {
    if (!dense) {
      std::vector<Voxel> all(4096 * 4096);
      for (uint32_t n = 0; n < all.size(); ++n) all[n] = {n, float(n) + 1};
      dense = build(all);
    }
    return *dense.grid<float>();
  };
  std::unique_ptr<IndexedGrid> dense_indexed;
  std::string what;
  for (uint64_t count; std::cin >> what >> count;) {
    uint64_t answer = 0;
    if (what == "bytes") answer = handle.size();
    if (what == "hit") answer = hits(grid->getAccessor(), picks, count);
    if (what == "update1000") answer = updates(*grid, 1000, count);
    if (what == "update84000") answer = updates(*grid, 84000, count);
    if (what == "scan") answer = scan(dense_grid(), count);
    if (what == "index_bytes") answer = indexed.bytes();
    if (what == "index_hit") answer = hits(channel, picks, count);
    if (what == "index_update1000") answer = indexed_updates(indexed, 1000, count);
    if (what == "index_update84000") answer = indexed_updates(indexed, 84000, count);
    if (what == "index_scan") {
      if (!dense_indexed) dense_indexed = std::make_unique<IndexedGrid>(dense_grid());
      answer = indexed_scan(*dense_indexed, count);
    }
    std::cout << answer << std::endl;
  }
}
