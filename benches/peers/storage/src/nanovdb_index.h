// A sparse index grid of a float grid: its leaves hold a mask and an index into one array of the active values. This is
// the layout that later versions of NanoVDB name OnIndex; Debian's has the grid type, and no builder for it.
#pragma once

#include <cstring>
#include <vector>

#include <nanovdb/NanoVDB.h>
#include <nanovdb/util/GridHandle.h>

class IndexedGrid {
  using From = nanovdb::FloatGrid;
  using To = nanovdb::IndexGrid;
  static constexpr uint8_t SPARSE = 16;

  nanovdb::GridHandle<> handle;
  // The first is the value of every inactive element.
  std::vector<float> channel{0.f};

  template <int LEVEL>
  using ToNode = typename nanovdb::NodeTrait<To::TreeType, LEVEL>::type;

  template <int LEVEL>
  static void internal(const From& from, ToNode<LEVEL>* nodes, ToNode<LEVEL - 1>* children) {
    const auto* source = from.tree().getFirstNode<LEVEL>();
    const auto* first = from.tree().getFirstNode<LEVEL - 1>();
    for (uint32_t n = 0; n < from.tree().nodeCount(LEVEL); ++n) {
      const auto* old = source[n].data();
      auto* node = nodes[n].data();
      node->mBBox = old->mBBox;
      node->mFlags = old->mFlags;
      node->mValueMask = old->mValueMask;
      node->mChildMask = old->mChildMask;
      for (auto child = old->mChildMask.beginOn(); child; ++child)
        node->setChild(*child, children + (old->getChild(*child) - first));
    }
  }

  void leaves(const From& from, ToNode<0>* leaves) {
    const auto* source = from.tree().getFirstNode<0>();
    for (uint32_t n = 0; n < from.tree().nodeCount(0); ++n) {
      const auto* old = source[n].data();
      auto* leaf = leaves[n].data();
      leaf->mBBoxMin = old->mBBoxMin;
      memcpy(leaf->mBBoxDif, old->mBBoxDif, sizeof leaf->mBBoxDif);
      leaf->mFlags = SPARSE;
      leaf->mValueMask = old->mValueMask;
      leaf->mValueOff = channel.size();
      for (auto at = old->mValueMask.beginOn(); at; ++at) channel.push_back(old->mValues[*at]);
    }
  }

 public:
  explicit IndexedGrid(const From& from) {
    const auto& tree = from.tree();
    const auto* old_root = tree.root().data();
    using Root = To::TreeType::RootType::DataType;
    uint64_t counts[3] = {tree.nodeCount(0), tree.nodeCount(1), tree.nodeCount(2)};
    uint64_t root_at = sizeof(nanovdb::GridData) + sizeof(nanovdb::TreeData<3>);
    uint64_t upper_at = root_at + sizeof(Root) + old_root->mTableSize * sizeof(Root::Tile);
    uint64_t lower_at = upper_at + counts[2] * sizeof(ToNode<2>);
    uint64_t leaf_at = lower_at + counts[1] * sizeof(ToNode<1>);
    uint64_t bytes = leaf_at + counts[0] * sizeof(ToNode<0>);

    auto buffer = nanovdb::HostBuffer::create(bytes);
    uint8_t* base = buffer.data();
    memset(base, 0, bytes);
    auto* upper = reinterpret_cast<ToNode<2>*>(base + upper_at);
    auto* lower = reinterpret_cast<ToNode<1>*>(base + lower_at);
    auto* leaf = reinterpret_cast<ToNode<0>*>(base + leaf_at);
    leaves(from, leaf);
    internal<1>(from, lower, leaf);
    internal<2>(from, upper, lower);

    auto* root = reinterpret_cast<Root*>(base + root_at);
    root->mBBox = old_root->mBBox;
    root->mTableSize = old_root->mTableSize;
    const auto* first = tree.getFirstNode<2>();
    for (uint32_t n = 0; n < old_root->mTableSize; ++n) {
      const auto* old = old_root->tile(n);
      auto* tile = root->tile(n);
      tile->key = old->key;
      tile->child = nanovdb::PtrDiff(upper + (old_root->getChild(old) - first), root);
    }

    auto* tree_data = reinterpret_cast<nanovdb::TreeData<3>*>(base + sizeof(nanovdb::GridData));
    tree_data->setRoot(root);
    tree_data->setFirstNode(upper);
    tree_data->setFirstNode(lower);
    tree_data->setFirstNode(leaf);
    for (int level = 0; level < 3; ++level) tree_data->mNodeCount[level] = counts[level];
    tree_data->mVoxelCount = channel.size() - 1;

    auto* grid = reinterpret_cast<nanovdb::GridData*>(base);
    memcpy(grid, &from, sizeof *grid);
    grid->mGridSize = bytes;
    grid->mGridClass = nanovdb::GridClass::IndexGrid;
    grid->mGridType = nanovdb::GridType::Index;
    grid->mData1 = channel.size();
    handle = nanovdb::GridHandle<>(std::move(buffer));
  }

  const To& grid() const { return *handle.grid<nanovdb::ValueIndex>(); }
  std::vector<float>& values() { return channel; }
  uint64_t bytes() const { return handle.size() + channel.size() * sizeof(float); }
};
