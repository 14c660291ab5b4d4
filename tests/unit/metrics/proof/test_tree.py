"""The tree is that of RFC 9162, and its proofs hold for what is true and for nothing else."""

from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.proof.store import TreeStore
from metrics.proof.tree import Frontier, inclusion_holds, leaf_hash, node_hash

LEAVES = [b"", b"\x00", b"\x10", b" !", b"01", b"@ABC", b"PQRSTUVW", b"`abcdefghijklmno"]
# The known roots of the first trees over these leaves (the test data of certificate-transparency-go).
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    4: "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    6: "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def _range(hashes: list[bytes]) -> bytes:
    """The definition, word for word."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return node_hash(_range(hashes[:split]), _range(hashes[split:]))


def test_the_roots_are_those_that_everybody_computes() -> None:
    tree = Frontier()
    assert tree.root() == sha256(b"").digest()
    for size, leaf in enumerate(LEAVES, 1):
        tree.add(leaf_hash(leaf))
        assert tree.root().hex() == ROOTS[size]


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> TreeStore:
    """A tree of 700 leaves: over two full stored subtrees."""
    store = TreeStore(tmp_path_factory.mktemp("tree"))
    for seq in range(1, 701):
        store.append([{"seq": seq, "id": f"e{seq}"}])
    return store


@settings(max_examples=60)
@given(data=st.data())
def test_proofs_hold_at_every_place_and_for_no_other_leaf_or_root(grown: TreeStore, data: st.DataObject) -> None:
    hashes = [leaf_hash(line) for line in grown.leaves()]
    size = data.draw(st.integers(1, 700))
    index = data.draw(st.integers(0, size - 1))
    root = grown.root(size)
    assert root == _range(hashes[:size])
    proof = grown.inclusion(index, size)
    assert inclusion_holds(hashes[index], index, size, proof, root)
    assert not inclusion_holds(hashes[index - 1], index, size, proof, root) or size == 1
    assert not inclusion_holds(hashes[index], index, size, [*proof, bytes(32)], root)
    assert not inclusion_holds(hashes[index], index, size, proof, bytes(32))


@pytest.mark.parametrize("cut", [1, 7, 40])
def test_what_a_crash_left_half_written_is_cut_off_and_made_again(tmp_path: Path, cut: int) -> None:
    store = TreeStore(tmp_path)
    store.append([{"seq": seq, "id": f"e{seq}"} for seq in range(1, 301)])
    root = store.root(256)
    leaves = next((tmp_path / "leaves").iterdir())
    leaves.write_bytes(leaves.read_bytes()[:-cut])
    (tmp_path / "hashes" / "00.bin").write_bytes((tmp_path / "hashes" / "00.bin").read_bytes()[: 257 * 32] + bytes(99))
    again = TreeStore(tmp_path)
    again.mend(synced=256)
    assert 296 < again.size < 300
    again.append([{"seq": seq, "id": f"e{seq}"} for seq in range(again.size + 1, 301)])
    assert (again.root(256), again.root(300)) == (root, store.root(300))
