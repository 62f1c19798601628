#!/bin/sh
# LiteRT's CompiledModel takes the bytes of a scan for floats, where its Interpreter refuses them.
#
# Seen with ai-edge-litert 2.3.0, on models of one layer (RELU). `TensorBuffer.write` (ai_edge_litert/tensor_buffer.py)
# copies the bytes of an array, and does not compare its type with that of the tensor. So a scan of uint8 levels in a
# model of float32 is an image of zeros or nearly so, and every scan gets the same answer. In a model of int8, a white
# pixel of 255 is -1. Of a batch, a shorter array replaces its first images and leaves the others of the call before.
# Nothing is said. `Interpreter.set_tensor` raises ValueError for all of these.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q ai-edge-litert==2.3.0 flatbuffers==25.12.19 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON' 2>"$folder/messages" || { cat "$folder/messages"; exit 1; }
from importlib.metadata import version

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.interpreter import Interpreter

print("ai-edge-litert", version("ai-edge-litert"))


def expect(what, holds):
    print(what, "as found" if holds else "CHANGED")
    if not holds:
        raise SystemExit(1)


def write_model(name, kind, scale=None):
    """Write a model that gives two images of four pixels back, without what is negative."""
    tensors = []
    for tensor_name in (b"scans", b"out"):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type = tensor_name, [2, 4], kind
        if scale:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [-128]
        tensors.append(tensor)
    code, layer, graph, model = schema.OperatorCodeT(), schema.OperatorT(), schema.SubGraphT(), schema.ModelT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.RELU
    code.version, layer.opcodeIndex, layer.inputs, layer.outputs = 1, 0, [0], [1]
    graph.tensors, graph.inputs, graph.outputs, graph.operators = tensors, [0], [1], [layer]
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], [schema.BufferT()]
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    with open(name, "wb") as file:
        file.write(builder.Output())


def refused(name, array):
    interpreter = Interpreter(name)
    interpreter.allocate_tensors()
    try:
        interpreter.set_tensor(0, array)
    except ValueError as error:
        print("  Interpreter:", str(error)[:90])
        return True
    return False


def compiled(name, output, *arrays):
    """Return what a model makes of arrays that are written one after the other."""
    model = CompiledModel.from_file(name)
    inputs, outputs = model.create_input_buffers(0), model.create_output_buffers(0)
    for array in arrays:
        inputs[0].write(array)
    model.run_by_index(0, inputs, outputs)
    return outputs[0].read(8, output).reshape(2, 4)


write_model("float.tflite", schema.TensorType.FLOAT32)
write_model("int8.tflite", schema.TensorType.INT8, 1 / 255)
levels = np.array([[0, 60, 120, 255], [255, 200, 90, 0]], np.uint8)
floats = levels.astype(np.float32)
expect("floats are right:", np.array_equal(compiled("float.tflite", np.float32, floats), floats))
found = compiled("float.tflite", np.float32, floats * 0, levels)
print("  CompiledModel, levels of uint8 in a model of float32:", found.tolist())
expect("all are nearly zero:", np.abs(found).max() < 1e-30)
expect("the Interpreter refuses them:", refused("float.tflite", levels))
found = compiled("int8.tflite", np.int8, levels)
print("  CompiledModel, levels of uint8 in a model of int8:", found.tolist())
expect("white is -1:", found[0, 3] == -1)
expect("the Interpreter refuses them:", refused("int8.tflite", levels))
found = compiled("float.tflite", np.float32, floats, floats[1:] + 1)
print("  CompiledModel, one image after two:", found.tolist())
expect("the second image is the old one:", np.array_equal(found, [floats[1] + 1, floats[1]]))
expect("the Interpreter refuses one image:", refused("float.tflite", floats[:1]))
PYTHON
