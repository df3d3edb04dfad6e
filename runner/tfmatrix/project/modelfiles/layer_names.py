"""Names of Keras's own layers: Keras 2's formats name the class alone, and not where it lives."""

from __future__ import annotations

from typing import Final

_NAMES: Final = """
AbstractRNNCell Activation ActivityRegularization Add AdditiveAttention AlphaDropout Attention Average
AveragePooling1D AveragePooling2D AveragePooling3D AvgPool1D AvgPool2D AvgPool3D BatchNormalization Bidirectional
CategoryEncoding CenterCrop ClassMethod Concatenate Conv1D Conv1DTranspose Conv2D Conv2DTranspose Conv3D
Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D Convolution1D Convolution1DTranspose Convolution2D
Convolution2DTranspose Convolution3D Convolution3DTranspose Cropping1D Cropping2D Cropping3D CuDNNGRU CuDNNLSTM
Dense DenseFeatures DepthwiseConv1D DepthwiseConv2D Discretization Dot Dropout ELU EinsumDense Embedding Flatten
FlaxLayer Functional GRU GRUCell GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D
GlobalAveragePooling3D GlobalAvgPool1D GlobalAvgPool2D GlobalAvgPool3D GlobalMaxPool1D GlobalMaxPool2D
GlobalMaxPool3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D GroupNormalization HashedCrossing Hashing
Highway Identity Input InputLayer InputSpec InstanceMethod IntegerLookup JaxLayer LSTM LSTMCell Lambda Layer
LayerNormalization LeakyReLU LocallyConnected1D LocallyConnected2D Masking MaxPool1D MaxPool2D MaxPool3D
MaxPooling1D MaxPooling2D MaxPooling3D Maximum MaxoutDense Merge Minimum Model MultiHeadAttention Multiply
Normalization PReLU Permute Pipeline PreprocessingLayer RNN RandomBrightness RandomContrast RandomCrop RandomFlip
RandomFourierFeatures RandomHeight RandomRotation RandomTranslation RandomWidth RandomZoom ReLU RepeatVector
Rescaling Reshape Resizing SeparableConv1D SeparableConv2D SeparableConvolution1D SeparableConvolution2D Sequential
SimpleRNN SimpleRNNCell SlicingOpLambda Softmax SpatialDropout1D SpatialDropout2D SpatialDropout3D
SpectralNormalization StackedRNNCells StringLookup Subtract SyncBatchNormalization TFOpLambda TFSMLayer
TensorFlowOpLayer TextVectorization ThresholdedReLU TimeDistributed TimeDistributedDense TorchModuleWrapper
UnitNormalization UpSampling1D UpSampling2D UpSampling3D Wrapper ZeroPadding1D ZeroPadding2D ZeroPadding3D
"""

KERAS_LAYERS: Final = frozenset(_NAMES.split())
"""What `keras.layers` exports in Keras 2.15 and 3.13, the models, and layers that Keras 1 and 2 made themselves."""
