"""Files of other people's formats: one small file each, written here and read back."""

import gzip
import hashlib
import io
import json
import os
import pickle
import struct
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from uncollapse import data
from uncollapse.data import FORMS, encoded
from uncollapse.data.formats import FORMATS, cifar
from uncollapse.errors import DataError, UncollapseError

RED = np.zeros((3, 32, 32), np.uint8)
RED[0] = 200
L = np.zeros((12, 12), np.uint8)  # an L: a tall bar at the left, a foot at the bottom
L[1:11, 2:4] = 255
L[9:11, 2:8] = 255


def letter(side, plane=1):
    """An L ``[3, side, side]`` in one colour: transposed, or planes mixed up, it is another."""
    image = np.zeros((3, side, side), np.uint8)
    image[plane, :12, :12] = L
    return image


def jpeg(pixels, format="PNG", mode="RGB"):
    out = io.BytesIO()
    Image.fromarray(np.asarray(pixels).transpose(1, 2, 0)).convert(mode).save(out, format)
    return out.getvalue()


def whole(dataset):
    """All samples as the source has them, uint8."""
    index = torch.arange(len(dataset))
    return dataset.restore(dataset.take(index)).round().to(torch.uint8).numpy()


class Command:
    """A pickle that runs a command once somebody unpickles it plainly."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


# --- plain numbers


def cifar_record(label, pixels, before=b""):
    return before + bytes([label]) + pixels.tobytes()


def cifar10(folder, labels=(3, 9)):
    folder.mkdir()
    content = b"".join(cifar_record(n, p) for n, p in zip(labels, (RED, letter(32)), strict=True))
    for batch in range(1, 6):
        (folder / f"data_batch_{batch}.bin").write_bytes(content)
    return folder


def test_cifar10_binary(tmp_path):
    cifar10(tmp_path / "cifar-10-batches-bin")
    dataset = data.load(f"cifar10:{tmp_path}")
    assert (len(dataset), dataset.shape, dataset.kind) == (10, (3, 32, 32), "images")
    assert [dataset.classes[i] for i in dataset.labels(torch.tensor([0, 9]))] == ["cat", "truck"]
    found = whole(dataset)
    assert (found[0] == RED).all()
    assert (found[1] == letter(32)).all()
    one = data.load(f"cifar10:{tmp_path}/cifar-10-batches-bin/data_batch_2.bin")
    assert len(one) == 2


def test_cifar100_counts_fine_labels(tmp_path):
    (tmp_path / "train.bin").write_bytes(cifar_record(77, letter(32), bytes([5])))
    (tmp_path / "fine_label_names.txt").write_text("\n".join(f"name{i}" for i in range(100)))
    dataset = data.load(f"cifar100:{tmp_path}")
    assert dataset.classes[int(dataset.labels(torch.tensor([0])))] == "name77"
    assert (whole(dataset)[0] == letter(32)).all()


def python_cifar(tmp_path, content, monkeypatch, known=True):
    raw = content if isinstance(content, bytes) else pickle.dumps(content, protocol=3)
    (tmp_path / "data_batch_1").write_bytes(raw)
    if known:
        monkeypatch.setitem(cifar.MD5, "data_batch_1", hashlib.md5(raw).hexdigest())
    return data.load(f"cifar10:{tmp_path}/data_batch_1")


def of_python_2(pixels):
    """A dict as Python 2 pickles it: the bytes of arrays are strings."""
    kind = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNN" + b"J\xff\xff\xff\xff" * 2
    kind += b"K\x00tb"
    shape = b"K" + bytes([len(pixels)]) + b"M" + struct.pack("<H", pixels.shape[1]) + b"\x86"
    values = b"T" + struct.pack("<I", pixels.size) + pixels.tobytes()
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    array += b"(K\x01" + shape + kind + b"\x89" + values + b"tb"
    return b"\x80\x02}(U\x04data" + array + b"U\x06labels](K\x03K\x09eu."


def test_cifar10_python_version_unpickles_three_names(tmp_path, monkeypatch):
    pixels = np.stack([RED, letter(32)]).reshape(2, -1)
    found = python_cifar(tmp_path, of_python_2(pixels), monkeypatch)
    assert (whole(found) == np.stack([RED, letter(32)])).all()
    assert found.labels(torch.arange(2)).tolist() == [3, 9]
    content = {"data": pixels, "labels": [3, 9], "filenames": ["a", "b"], "batch_label": "1"}
    assert (whole(python_cifar(tmp_path, content, monkeypatch))[1] == letter(32)).all()
    with pytest.raises(DataError, match="'data', bytes"):
        python_cifar(tmp_path, content | {"data": pixels[:, :99]}, monkeypatch)
    with pytest.raises(DataError, match="'labels', one an image"):
        python_cifar(tmp_path, content | {"labels": [3]}, monkeypatch)


@pytest.mark.parametrize("known", [True, False])
def test_a_pickle_that_runs_a_command_runs_nothing(tmp_path, monkeypatch, known):
    """Neither with a wrong MD5 nor, were it right, by the unpickler."""
    mark = tmp_path / "ran"
    with pytest.raises(DataError, match="nothing is run" if known else "which can run code"):
        python_cifar(tmp_path, {"data": Command(mark)}, monkeypatch, known)
    assert not mark.exists()


def stl10(folder, count=2):
    columns = np.stack([np.zeros((3, 96, 96), np.uint8), letter(96)]).transpose(0, 1, 3, 2)
    (folder / "train_X.bin").write_bytes(columns.tobytes()[: count * 27648])
    (folder / "train_y.bin").write_bytes(bytes([1, 10]))


def test_stl10_goes_down_columns(tmp_path):
    stl10(tmp_path)
    dataset = data.load(f"stl10:{tmp_path}")
    assert (whole(dataset)[1] == letter(96)).all()
    assert dataset.labels(torch.arange(2)).tolist() == [0, 9]
    assert dataset.classes[9] == "truck"
    (tmp_path / "unlabeled_X.bin").write_bytes((tmp_path / "train_X.bin").read_bytes())
    assert data.load(f"stl10:{tmp_path}/unlabeled_X.bin").classes == ()
    (guess,) = data.load(f"stl10:{tmp_path}").reading.guesses
    assert "train_X.bin" in guess


def test_svhn_axes_and_zero(tmp_path):
    images = np.stack([RED, letter(32)]).transpose(2, 3, 1, 0)
    savemat(tmp_path / "train_32x32.mat", {"X": images, "y": np.array([[10], [7]], np.uint8)})
    dataset = data.load(f"svhn:{tmp_path}")
    assert (whole(dataset) == np.stack([RED, letter(32)])).all()
    assert [dataset.classes[i] for i in dataset.labels(torch.arange(2))] == ["0", "7"]
    savemat(tmp_path / "train_32x32.mat", {"X": images, "y": np.array([[11], [7]], np.uint8)})
    with pytest.raises(DataError, match="labels other than"):
        data.load(f"svhn:{tmp_path}")
    savemat(tmp_path / "train_32x32.mat", {"X": images, "y": np.array([[np.nan], [7.5]])})
    with pytest.raises(DataError, match="labels other than"):
        data.load(f"svhn:{tmp_path}")
    savemat(tmp_path / "train_32x32.mat", {"X": images, "y": np.array([[1]], np.uint8)})
    with pytest.raises(DataError, match="1 labels for 2 images"):
        data.load(f"svhn:{tmp_path}")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_downsampled_imagenet(tmp_path, save):
    pixels = np.stack([RED, letter(32)]).reshape(2, -1)
    save(tmp_path / "train_data_batch_1.npz", data=pixels, labels=np.array([1, 1000]), mean=0.5)
    dataset = data.load(f"imagenet-small:{tmp_path}")
    assert (whole(dataset)[1] == letter(32)).all()
    assert dataset.labels(torch.arange(2)).tolist() == [0, 999]
    save(tmp_path / "train_data_batch_1.npz", data=pixels, labels=np.array([0, 3]))
    with pytest.raises(DataError, match="labels other than 1 to 1000"):
        data.load(f"imagenet-small:{tmp_path}")
    save(tmp_path / "train_data_batch_1.npz", data=pixels, labels=np.array([1, 3]))
    content = (tmp_path / "train_data_batch_1.npz").read_bytes()
    (tmp_path / "train_data_batch_1.npz").write_bytes(content.replace(b"(2, 3072)", b"(-2,3072)"))
    if save is np.savez:
        with pytest.raises(DataError, match="shape is not valid"):
            data.load(f"imagenet-small:{tmp_path}")
    mark = tmp_path / "ran"
    hostile = np.array([Command(mark)], object)
    save(tmp_path / "train_data_batch_1.npz", data=hostile, labels=hostile)
    with pytest.raises(DataError, match="pickle"):
        data.load(f"imagenet-small:{tmp_path}")
    assert not mark.exists()


# --- image files


def celeba(folder):
    (folder / "img_align_celeba").mkdir()
    lines = ["3", "Smiling Male Eyeglasses"]
    for number, (colour, signs) in enumerate([(10, "-1  1 -1"), (20, " 1 -1 -1"), (30, "1 1  1")]):
        Image.new("RGB", (17, 21), (colour, 0, 0)).save(
            folder / "img_align_celeba" / f"00000{number}.jpg"
        )
        lines.append(f"00000{number}.jpg {signs}")
    (folder / "list_attr_celeba.txt").write_text("\n".join(lines))
    (folder / "list_eval_partition.txt").write_text("000000.jpg 0\n000001.jpg 2\n000002.jpg 0\n")


def test_celeba_attributes_are_classes(tmp_path):
    celeba(tmp_path)
    dataset = data.load(f"celeba:{tmp_path}", size=8)
    names = [dataset.classes[i] for i in dataset.labels(torch.arange(2))]
    assert names == ["Male, not Eyeglasses", "Male, Eyeglasses"]
    dataset = data.load(f"celeba:{tmp_path}", size=8, key="Smiling")
    assert dataset.classes == ("not Smiling", "Smiling")
    assert dataset.labels(torch.arange(2)).tolist() == [0, 1]
    with pytest.raises(UncollapseError, match=r"unknown attribute 'Smilin'.*Smiling"):
        data.load(f"celeba:{tmp_path}", size=8, key="Smilin")
    (tmp_path / "img_align_celeba" / "000002.jpg").unlink()
    with pytest.raises(DataError, match=r"lacks 1 of 2 images .* 000002\.jpg"):
        data.load(f"celeba:{tmp_path}", size=8)
    (tmp_path / "list_attr_celeba.txt").write_text("3\nMale Eyeglasses\n000000.jpg 1 1\n")
    with pytest.raises(DataError, match="cut off: it lists 1 of 3"):
        data.load(f"celeba:{tmp_path}", size=8)


def test_imagenet_with_cmyk_and_a_png_called_jpeg(tmp_path):
    for name, mode, format_ in (("n01440764", "CMYK", "JPEG"), ("n02105855", "RGB", "PNG")):
        folder = tmp_path / "train" / name
        folder.mkdir(parents=True)
        (folder / f"{name}_1.JPEG").write_bytes(jpeg(RED, format_, mode))
    (tmp_path / "LOC_synset_mapping.txt").write_text("n01440764 tench, Tinca tinca\n")
    dataset = data.load(f"imagenet:{tmp_path}", size=32)
    assert dataset.classes == ("n01440764 tench", "n02105855")
    assert np.abs(whole(dataset).astype(int) - RED).max() <= 6


def database(path, values, **options):
    lmdb = pytest.importorskip("lmdb")
    with lmdb.open(str(path), map_size=2**24, **options) as env, env.begin(write=True) as txn:
        for key, value in values.items():
            txn.put(key, value)
    return path


def test_lmdb_and_lsun(tmp_path, monkeypatch):
    values = {b"b": jpeg(letter(32)), b"a": jpeg(RED, "WEBP"), b"length": b"2"}
    database(tmp_path / "bedroom_train_lmdb", values)
    dataset = data.load(f"lmdb:{tmp_path}/bedroom_train_lmdb", size=32)
    assert np.abs(whole(dataset)[0].astype(int) - RED).max() <= 6  # keys are in order
    assert (whole(dataset)[1] == letter(32)).all()
    monkeypatch.setattr(encoded, "MOST_HELD", 100)
    twice = [data.load(f"lmdb:{tmp_path}/bedroom_train_lmdb", size=32) for _ in range(2)]
    assert all((whole(one) == whole(dataset)).all() for one in twice)
    assert dataset.reading.left_out == ["1 value of a few bytes"]
    assert sorted(os.listdir(tmp_path / "bedroom_train_lmdb")) == ["data.mdb", "lock.mdb"]
    database(tmp_path / "tower_train_lmdb", {b"z": jpeg(RED)})
    both = data.load(f"lsun:{tmp_path}", size=32)
    assert [both.classes[i] for i in both.labels(torch.arange(3))] == ["bedroom"] * 2 + ["tower"]
    database(tmp_path / "one.mdb", {b"cats/1": jpeg(RED), b"dogs/1": jpeg(RED)}, subdir=False)
    assert data.load(f"lmdb:{tmp_path}/one.mdb", size=32).classes == ("cats", "dogs")


def test_lmdb_that_is_cut_off_or_holds_pickles(tmp_path):
    """LMDB itself would end the process where the file does."""
    path = database(tmp_path / "db", {b"%04d" % i: jpeg(letter(32)) for i in range(200)})
    content = (path / "data.mdb").read_bytes()
    (path / "data.mdb").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="cut off"):
        data.load(f"lmdb:{path}")
    for filled in (len(content) // 2, 2 * 4096):  # as a copy that was broken off may leave it
        (path / "data.mdb").write_bytes(content[:filled] + bytes(len(content) - filled))
        with pytest.raises(DataError, match="copied in part"):
            data.load(f"lmdb:{path}")
    (path / "data.mdb").write_bytes(b"x" * 5000)
    with pytest.raises(DataError, match="no LMDB database"):
        data.load(f"lmdb:{path}")
    mark = tmp_path / "ran"
    database(tmp_path / "bad", {b"a": pickle.dumps(Command(mark)) + bytes(100)})
    with pytest.raises(DataError, match="is a pickle, which can run code"):
        data.load(f"lmdb:{tmp_path}/bad")
    assert not mark.exists()


def shard(path, members):
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content or b"")
            if content is None:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(info, io.BytesIO(content or b""))
    return path


def test_shards(tmp_path):
    for number, (pixels, label) in enumerate([(RED, b"5"), (letter(32), b"2")]):
        key = f"{number}/im.age"  # the first dot of the base name ends the key
        members = [(f"{key}.x.png", jpeg(pixels)), (f"{key}.cls", label), (f"{key}.pkl", b"\x80")]
        shard(tmp_path / f"x-00{number}.tar", members)
    dataset = data.load(f"shards:{tmp_path}/x-{{000..001}}.tar", size=32)
    assert (whole(dataset) == np.stack([RED, letter(32)])).all()
    assert [dataset.classes[i] for i in dataset.labels(torch.arange(2))] == ["5", "2"]
    for spec in (
        f"{tmp_path}/x-*.tar",
        str(tmp_path),
        f"{tmp_path}/x-000.tar,{tmp_path}/x-001.tar",
    ):
        assert data.load(f"shards:{spec}", size=32).fingerprint == dataset.fingerprint


def test_shards_are_read_as_webdataset_reads_them(tmp_path):
    webdataset = pytest.importorskip("webdataset")
    path = shard(
        tmp_path / "x.tar",
        [(f"{i:03}.{e}", c) for i in range(3) for e, c in (("cls", b"%d" % i), ("png", jpeg(RED)))],
    )
    with open(path, "rb") as stream:
        tar = webdataset.tariterators
        files = tar.tar_file_expander([{"url": "x", "stream": stream}])
        keys = [int(sample["cls"]) for sample in tar.group_by_keys(files)]
    ours = data.load(f"shards:{path}", size=32)
    assert ours.labels(torch.arange(3)).tolist() == keys


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("../../a.png", jpeg(RED))], r"'\.\./\.\./a\.png', which leads out of it"),
        ([("/tmp/a.png", jpeg(RED))], "leads out of it"),
        ([("a.png", None)], "a link 'a.png'"),
        ([("a.png", jpeg(RED)), ("a.cls", b"cat")], "no whole number"),
        ([("a.png", jpeg(RED)), ("a.cls", b"1"), ("b.png", jpeg(RED))], "'b.png' has no class"),
        ([("a.txt", b"hello")], r"has no images \(1 sample without an image\)"),
        ([("a.png", jpeg(RED)), ("a.json", b'{"label": 1%0400d}' % 0)], "more than 64 bits"),
        ([("b/a.png", b"hello")], r"x.tar: b/a.png cannot be read as an image"),
    ],
)
def test_hostile_and_damaged_shards(tmp_path, members, message):
    shard(tmp_path / "x.tar", members)
    with pytest.raises(DataError, match=message):
        data.load(f"shards:{tmp_path}/x.tar")
    assert os.listdir(tmp_path) == ["x.tar"]
    content = (tmp_path / "x.tar").read_bytes()
    (tmp_path / "x.tar").write_bytes(content[:530] if members[0][1] else content[:100])
    with pytest.raises(DataError):
        data.load(f"shards:{tmp_path}/x.tar")


def stylegan(path, labels, names=("0/a.png", "0/b.png"), packed=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", packed) as archive:
        for name, pixels in zip(names, (RED, letter(32)), strict=True):
            archive.writestr(name, jpeg(pixels))
        archive.writestr("dataset.json", json.dumps({"labels": labels}))
    return path


@pytest.mark.parametrize("packed", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_stylegan_zip(tmp_path, packed):
    path = stylegan(tmp_path / "x.zip", [["0/b.png", 0], ["0/a.png", 7]], packed=packed)
    dataset = data.load(f"zip:{path}", size=32)
    assert (whole(dataset) == np.stack([RED, letter(32)])).all()
    assert [dataset.classes[i] for i in dataset.labels(torch.arange(2))] == ["7", "0"]
    assert data.load(f"zip:{stylegan(path, None)}", size=32).classes == ()


MAC = b"\0\5\x16\7" + b"\0" * 90
"""What a Mac puts beside each file."""


def test_what_a_mac_adds_is_no_image_and_a_zipped_folder_keeps_its_classes(tmp_path):
    names = {"photos/cats/a.png": RED, "photos/dogs/b.png": letter(32)}
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name, pixels in names.items():
            archive.writestr(name, jpeg(pixels))
            archive.writestr(f"__MACOSX/{name.replace('/', '/._')}", MAC)
    dataset = data.load(f"zip:{tmp_path}/x.zip", size=32)
    assert (len(dataset), dataset.classes) == (2, ("cats", "dogs"))
    members = [m for n, p in names.items() for m in ((f"._{n[-5:]}", MAC), (n[-5:], jpeg(p)))]
    path = shard(tmp_path / "x.tar", members)
    assert len(data.load(f"shards:{path}", size=32)) == 2
    path.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(DataError, match="unpack it first"):
        data.load(f"shards:{path}")


def test_hostile_and_damaged_zips(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/b.png", b"hello")
    with pytest.raises(DataError, match=r"x.zip: a/b.png cannot be read as an image"):
        data.load(f"zip:{path}")
    for labels, message in (([["0/a.png", 1]], "no label for 1 images"), ([1], "pairs")):
        with pytest.raises(DataError, match=message):
            data.load(f"zip:{stylegan(path, labels)}")
    with pytest.raises(DataError, match="leads out of it"):
        data.load(f"zip:{stylegan(path, None, ('0/a.png', '../b.png'))}")
    content = stylegan(path, None).read_bytes()
    path.write_bytes(content[:-40])
    with pytest.raises(DataError, match="cannot be read as a zip"):
        data.load(f"zip:{path}")


def table(path, images, labels, **struct_order):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    kind = pa.struct([("path", pa.string()), ("bytes", pa.binary())])  # the older order
    rows = [{"bytes": image, "path": None} for image in images]
    names = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    columns = {"image": pa.array(rows, kind), "label": pa.array(labels), "note": pa.array(labels)}
    made = pa.table(columns).replace_schema_metadata({"huggingface": json.dumps(names)})
    pq.write_table(made, path, row_group_size=1)
    return path


def test_parquet(tmp_path):
    path = table(tmp_path / "x.parquet", [jpeg(RED), jpeg(letter(32))], [1, 0])
    dataset = data.load(f"parquet:{path}", size=32)
    assert (whole(dataset) == np.stack([RED, letter(32)])).all()
    assert [dataset.classes[i] for i in dataset.labels(torch.arange(2))] == ["dog", "cat"]
    table(path, [jpeg(RED), None], [1, 0])
    with pytest.raises(DataError, match="row 1 holds no bytes"):
        data.load(f"parquet:{path}")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match="cannot be read as parquet"):
        data.load(f"parquet:{path}")


def test_parquet_whose_images_lie_deeper_is_one_line(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"image": [{"image": {"bytes": b"x"}}]}), tmp_path / "x.parquet")
    with pytest.raises(DataError, match="none of them of images; table:"):
        data.load(f"parquet:{tmp_path}/x.parquet")


def test_hugging_face_reads_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])}
    )
    rows = {"image": [{"bytes": jpeg(RED), "path": None}], "label": [1]}
    (tmp_path / "set").mkdir()
    datasets.Dataset.from_dict(rows, features).to_parquet(tmp_path / "set" / "train.parquet")
    dataset = data.load(f"hf:{tmp_path}/set", size=32)
    assert (whole(dataset)[0] == RED).all()
    assert dataset.classes == ("cat", "dog")
    assert data.load(f"parquet:{tmp_path}/set", size=32).fingerprint == dataset.fingerprint
    with pytest.raises(DataError, match="cannot be had"):
        data.load(f"hf:{tmp_path}/set:valid")


# --- what holds for all


def bomb():
    """A PNG of a few bytes that claims 80 million pixels."""
    header = struct.pack(">IIBBBBB", 10_000, 8_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    crc = zipfile.crc32(chunk)
    begun = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", crc)
    return begun + struct.pack(">I", 50) + b"IDAT" + bytes(60)


def test_a_bomb_of_pixels_is_not_unpacked(tmp_path):
    shard(tmp_path / "x.tar", [("a.png", bomb())])
    with pytest.raises(DataError, match=r"10,000 × 8,000 pixels, more than"):
        data.load(f"shards:{tmp_path}/x.tar")
    (tmp_path / "a.png").write_bytes(bomb())
    with pytest.raises(DataError, match=r"10,000 × 8,000 pixels, more than"):
        data.load(f"images:{tmp_path}")


def test_cut_off_and_mislabelled_numbers(tmp_path):
    folder = cifar10(tmp_path / "a", labels=(3, 12))
    with pytest.raises(DataError, match=r"label 12 in row 1; labels are 0 to 9"):
        data.load(f"cifar10:{folder}")
    (folder / "data_batch_3.bin").write_bytes(bytes(3072))
    with pytest.raises(DataError, match=r"data_batch_3\.bin is cut off"):
        data.load(f"cifar10:{folder}")
    (folder / "data_batch_3.bin").unlink()
    with pytest.raises(DataError, match=r"lacks data_batch_3\.bin"):
        data.load(f"cifar10:{folder}")
    stl10(tmp_path, count=1)
    with pytest.raises(DataError, match="2 labels for 1 images"):
        data.load(f"stl10:{tmp_path}")
    (tmp_path / "train_X.bin").write_bytes(bytes(100))
    with pytest.raises(DataError, match="cut off"):
        data.load(f"stl10:{tmp_path}")


@pytest.mark.parametrize("name", [name for name, known in FORMATS.items() if known.local])
def test_every_format_says_what_it_lacks(name, tmp_path):
    assert FORMATS[name].spelled in FORMS
    with pytest.raises(DataError, match="lacks its path"):
        data.load(f"{name}:")
    with pytest.raises(DataError, match="missing"):
        data.load(f"{name}:{tmp_path}/missing")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_bytes(b"\x80\x02c" * 9)
    for path in ("empty", "file"):
        with pytest.raises(DataError) as error:
            data.load(f"{name}:{tmp_path}/{path}")
        assert "\n" not in str(error.value)


def test_what_is_streamed_equals_what_is_held(tmp_path, monkeypatch):
    """Archives, folders and plain numbers, a size chosen or not, labels too."""
    stl10(tmp_path)
    folder = tmp_path / "photos"
    for name, pixels in (("a/1.png", RED), ("b/1.png", letter(32)), ("b/2.png", letter(32, 2))):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(jpeg(pixels))
    zipped = stylegan(tmp_path / "x.zip", [["0/b.png", 0], ["0/a.png", 7]])
    specs = [f"stl10:{tmp_path}", f"images:{folder}", f"zip:{zipped}"]
    held = [data.load(spec, size=24, flips=True) for spec in specs]
    monkeypatch.setattr(encoded, "MOST_HELD", 100)
    for spec, whole_one in zip(specs, held, strict=True):
        streamed = data.load(spec, size=24, flips=True)
        assert (whole(streamed) == whole(whole_one)).all()
        index = torch.arange(len(streamed))
        assert torch.equal(streamed.labels(index), whole_one.labels(index))
        assert streamed.classes == whole_one.classes
        assert "too many to hold" in streamed.reading.details
        assert data.load(spec, size=24).fingerprint != data.load(spec, size=16).fingerprint
